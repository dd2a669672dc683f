//! Temperatures, from thermal zones and hardware monitors. Most virtual machines have neither.

use std::io;
use std::path::{Path, PathBuf};

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::{Rows, SeriesTable, Slot};

const MAX_SENSORS: usize = 64;

/// `node_thermal_zone_temp{zone,type}` and `node_hwmon_temp_celsius{chip,sensor}`
pub struct Sensors {
    sys: PathBuf,
    rows: Rows<1>,
}

impl Sensors {
    /// Reads `{sys}/class/thermal` and `{sys}/class/hwmon`.
    pub fn new(sys: &Path) -> Self {
        Self { sys: sys.to_path_buf(), rows: Rows::new(MAX_SENSORS) }
    }

    fn set(&mut self, cx: &mut Sampling<'_>, path: &Path, define: impl FnOnce(&mut SeriesTable) -> Slot) {
        // A sensor that is asleep answers an error: no value is the right answer then.
        let read = KernelFile::new(path).read(cx.buffer).ok().flatten();
        let Some(value) = read.and_then(|bytes| text::number(bytes.trim_ascii())) else { return };
        let [slot] = self.rows.slots(path.as_os_str().as_encoded_bytes(), cx.table, |table| [define(table)]);
        cx.table.set(slot, value / 1000.0);
    }
}

fn word(path: &Path, buffer: &mut Vec<u8>) -> String {
    let read = KernelFile::new(path).read(buffer).ok().flatten();
    read.map(|bytes| text::label(bytes.trim_ascii()).into_owned()).unwrap_or_default()
}

impl Source for Sensors {
    fn name(&self) -> &'static str {
        "sensors"
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        self.rows.begin();
        for zone in super::folder(&self.sys.join("class/thermal"))?.take(MAX_SENSORS) {
            let name = zone.file_name();
            let name = name.to_string_lossy();
            let Some(number) = name.strip_prefix("thermal_zone") else { continue };
            let kind = word(&zone.path().join("type"), cx.buffer);
            self.set(cx, &zone.path().join("temp"), |table| {
                table.gauge("node_thermal_zone_temp", &[("zone", number), ("type", &kind)])
            });
        }
        for chip in super::folder(&self.sys.join("class/hwmon"))?.take(MAX_SENSORS) {
            let chip_name = word(&chip.path().join("name"), cx.buffer);
            for file in super::folder(&chip.path())?.take(MAX_SENSORS * 8) {
                let name = file.file_name();
                let name = name.to_string_lossy();
                let Some(sensor) = name.strip_suffix("_input").filter(|s| s.starts_with("temp")) else {
                    continue;
                };
                self.set(cx, &file.path(), |table| {
                    table.gauge("node_hwmon_temp_celsius", &[("chip", &chip_name), ("sensor", sensor)])
                });
            }
        }
        self.rows.finish(cx.table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn zones_and_chips_are_read() {
        let sys = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = sys.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
        put("class/thermal/thermal_zone0/temp", "47500\n");
        put("class/thermal/cooling_device0/type", "Fan\n");
        put("class/hwmon/hwmon1/name", "nvme\n");
        put("class/hwmon/hwmon1/temp1_input", "38000\n");
        put("class/hwmon/hwmon1/fan1_input", "900\n");
        let mut table = SeriesTable::new(10);
        let mut sensors = Sensors::new(sys.path());
        sensors.sample(&mut Sampling { table: &mut table, buffer: &mut Vec::new() }).unwrap();
        assert_eq!(table.values(), [47.5, 38.0]);
        let labels: Vec<_> =
            table.texts().iter().flatten().flat_map(crate::series::SeriesText::labels).collect();
        assert_eq!(labels, [("type", "x86_pkg_temp"), ("zone", "0"), ("chip", "nvme"), ("sensor", "temp1")]);
    }
}
