//! The server's offer catalog: what the product ships, and what was imported over it.
//!
//! Imported offers lie in `server/offers.csv`, written anew and whole with every import, so that what was answered with 2xx is
//! on disk and a crash leaves the file of before or of after.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lepton_cloud::offers::{Added, Catalog, TableError, read, write};
use lepton_model::{Exchange, Name, NodeSpec, Object};
use lepton_plan::NodePrice;
use parking_lot::{Mutex, RwLock};

use crate::error::ServeError;

/// Its name in the server's folder and in backups.
pub(crate) const FILE: &str = "offers.csv";

/// See the module.
pub(crate) struct Offers {
    path: PathBuf,
    catalog: RwLock<Arc<Catalog>>,
    /// One import at a time.
    importing: Mutex<()>,
}

/// Why an import is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("the catalog cannot be written: {0}")]
    File(#[from] std::io::Error),
}

impl Offers {
    /// Reads what was imported.
    pub fn open(folder: &Path) -> Result<Self, ServeError> {
        let path = folder.join(FILE);
        let imported = match std::fs::read(&path) {
            Ok(text) => read(&text, "imported")
                .map_err(|error| ServeError::Store(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(ServeError::file("read", path)(error)),
        };
        let catalog = if imported.is_empty() {
            Catalog::shipped()
        } else {
            Arc::new(Catalog::shipped().with(&imported).0)
        };
        Ok(Self { path, catalog: RwLock::new(catalog), importing: Mutex::default() })
    }

    /// The catalog now. It does not change while held.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read())
    }

    /// The file of imported offers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lays a table over the catalog, all or nothing. May take a second for a hundred thousand rows.
    pub fn import(&self, text: &[u8], source: &str) -> Result<(Added, usize), ImportError> {
        let offers = read(text, source)?;
        let _alone = self.importing.lock();
        let before = match std::fs::read(&self.path) {
            Ok(text) => read(&text, "imported")?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        self.keep(Catalog::new(before).with(&offers).0)?;
        let (catalog, added) = self.catalog().with(&offers);
        let total = catalog.offers().len();
        *self.catalog.write() = Arc::new(catalog);
        Ok((added, total))
    }

    fn keep(&self, imported: Catalog) -> std::io::Result<()> {
        let part = self.path.with_extension("part");
        let mut file = BufWriter::new(File::create(&part)?);
        write(imported.offers(), &mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&part, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// What nodes cost an hour, in the base currency: their own price, else that of their offer. One whose currency has no rate has no
/// known price. A node is rented when its label `instance_type` says what a cloud calls it.
pub(crate) fn prices<'a>(
    nodes: impl IntoIterator<Item = &'a Object<NodeSpec>>,
    catalog: &Catalog,
    exchange: &Exchange,
) -> BTreeMap<Name, NodePrice> {
    let price = |node: &Object<NodeSpec>| {
        let (money, source) = match (node.spec.price, catalog.of_node(&node.meta.labels)) {
            (Some(own), _) => (own, "spec.price".to_owned()),
            (None, Some(offer)) => (offer.price_hour, format!("{}, {}", offer.source, offer.as_of)),
            (None, None) => return None,
        };
        let hour = exchange.convert(money, exchange.base).ok()?.amount;
        let rented = node.meta.labels.contains_key("instance_type");
        Some((node.meta.name.clone(), NodePrice { hour, rented, source }))
    };
    nodes.into_iter().filter_map(price).collect()
}
