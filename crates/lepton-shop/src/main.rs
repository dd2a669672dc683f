//! The binary `lepton-shop`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use lepton_shop::{Shop, router, say};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A small shop to practise on: it sells, and it can be made to burn cpu, leak, hang and crash.
///
/// examples/shop.yaml runs it. `curl -X POST http://127.0.0.1:PORT/trouble/hang` breaks it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// Port on 127.0.0.1
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Folder for the orders
    #[arg(long, default_value = ".", value_name = "DIR")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let cli = Cli::parse();
    let shop = Shop::open(cli.data)?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, cli.port))).await?;
    say(&format!("open on http://{}", listener.local_addr()?));
    let mut terminate = signal(SignalKind::terminate())?;
    let closing = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        say("closing");
        // A hanging request must not keep the shop open for ever.
        tokio::spawn(async {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            #[allow(clippy::disallowed_methods)]
            // nothing is left to write: orders are on disk before they are confirmed
            std::process::exit(0);
        });
    };
    axum::serve(listener, router(shop)).with_graceful_shutdown(closing).await
}
