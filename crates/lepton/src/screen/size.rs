//! Amounts as people read them.

/// `1.4 GiB`
pub(crate) fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes.max(0.0);
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 || value >= 100.0 { format!("{value:.0} {name}") } else { format!("{value:.1} {name}") }
}

/// `12 %` of a share from 0 to 1.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_figures() {
        let check = |value: f64, expect: &str| assert_eq!(bytes(value), expect);
        check(0.0, "0 B");
        check(999.0, "999 B");
        check(1_000.0, "1.0 KiB");
        check(1_536.0, "1.5 KiB");
        check(f64::from(3_u32 << 30), "3.0 GiB");
        check(1e30, "888178419700125 PiB");
        assert_eq!(percent(0.124), "12 %");
    }
}
