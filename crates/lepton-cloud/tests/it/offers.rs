//! Tables read and refused; queries answered.

use lepton_cloud::offers::{Catalog, OfferQuery, TableError, read, write};
use lepton_model::{Exchange, Labels, Market, Offer};
use proptest::prelude::*;

const HEADER: &str = "cloud,region,instance_type,vcpu,memory_gib,gpu_count,gpu_model,on_demand_hour,spot_hour,currency,as_of\n";

fn offers(rows: &str) -> Vec<Offer> {
    read(format!("{HEADER}{rows}").as_bytes(), "test").unwrap()
}

fn catalog() -> Catalog {
    Catalog::new(offers(
        "aliyun,cn-hangzhou,g7.large,2,8,0,,0.50,,CNY,2024-12-30\n\
         aliyun,cn-hangzhou,g7.2xlarge,8,32,0,,2.00,0.30,CNY,2024-12-30\n\
         aliyun,cn-beijing,g7.2xlarge,8,32,0,,2.00,,CNY,2024-12-30\n\
         aws,us-east-1,m7i.2xlarge,8,32,0,,0.40,,USD,2025-03-02\n\
         aws,us-east-1,m7i.4xlarge,16,64,0,,0.80,,USD,2025-03-02\n\
         aws,us-east-1,p5.48xlarge,192,2048,8,H100,98.32,,USD,2025-03-02\n",
    ))
}

#[test]
fn a_bad_table_is_refused_by_line_and_column() {
    let check = |text: &str, expect: &str| {
        let said =
            read(text.as_bytes(), "test").map_or_else(|error| error.to_string(), |_| "read".to_owned());
        assert!(said.contains(expect), "{text:?}: {said}");
    };
    let row = |cells: &str| format!("# a comment\n{HEADER}{cells}\n");
    check("", "cloud, region, instance_type, vcpu, memory_gib, currency, as_of missing");
    check("cloud,region,price\n", "\"price\" is none of cloud, region");
    check("cloud,cloud\n", "cloud is there twice");
    check(
        "cloud,region,instance_type,vcpu,memory_gib,currency,as_of\n",
        "on_demand_hour or spot_hour is needed",
    );
    check(&row("aws,r,t,2,4,0,,0.1,,USD,2025-01-01"), "read");
    check(
        &row("aws,r,t,two,4,0,,0.1,,USD,2025-01-01"),
        "line 3, column vcpu: \"two\" is not a number from 0.001 to 1000000",
    );
    check(&row("aws,r,t,2,-4,0,,0.1,,USD,2025-01-01"), "line 3, column memory_gib: \"-4\"");
    check(&row("aws,r,t,2,4,0,,NaN,,USD,2025-01-01"), "line 3, column on_demand_hour: \"NaN\"");
    check(&row("aws,r,t,2,4,0.5,,1,,USD,2025-01-01"), "line 3, column gpu_count: must be a whole number");
    check(&row("aws,r,t,2,4,0,,,,USD,2025-01-01"), "line 3, column on_demand_hour: either this or spot_hour");
    check(&row("aws,r,t,2,4,0,,1,,usd,2025-01-01"), "line 3, column currency: \"usd\" is not a currency");
    check(&row("aws,r,t,2,4,0,,1,,USD,1.1.2025"), "line 3, column as_of: \"1.1.2025\" is not a day");
    check(&row("aws,,t,2,4,0,,1,,USD,2025-01-01"), "line 3, column region: must not be empty");
    check(&row("aws,r,t,2,4"), "line 3: has 5 cells, and the first line names 11 columns");
    check(&row("aws,r,t,2,4,0,,1,,USD,2025-01-01\naws,r,t,x,y,0,,1,,USD,2025-01-01"), "line 4, column vcpu");
    check("\u{0}\u{1}", "the first line must name the columns");
    let many = format!("{HEADER}{}", "aws,r,t,x,4,0,,1,,USD,2025-01-01\n".repeat(100));
    let Err(TableError::Rows(rows)) = read(many.as_bytes(), "test") else { panic!("accepted") };
    assert_eq!(rows.len(), 20, "bounded");
}

#[test]
fn the_cheapest_that_will_do_come_first_in_one_currency() {
    let catalog = catalog();
    let exchange = Exchange::default();
    let check = |query: OfferQuery, expect: &str| {
        let found = catalog.query(&OfferQuery { limit: 9, ..query }, &exchange);
        let told = match found {
            Ok(found) => {
                let line = |p: &lepton_cloud::offers::Priced| {
                    format!("{} {} {}", p.offer.region, p.offer.instance_type, p.price.amount.round_dp(4))
                };
                let lines: Vec<_> = found.offers.iter().map(line).collect();
                assert_eq!(found.matched, lines.len());
                lines.join(", ")
            }
            Err(error) => error.to_string(),
        };
        assert!(told.starts_with(expect) && (!told.is_empty() || expect.is_empty()), "{told}");
    };
    let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let eight =
        || OfferQuery { cpu: "8".parse().unwrap(), memory: "32Gi".parse().unwrap(), ..OfferQuery::default() };
    check(
        eight(),
        "cn-beijing g7.2xlarge 0.2748, cn-hangzhou g7.2xlarge 0.2748, us-east-1 m7i.2xlarge 0.4, us-east-1 m7i.4xlarge 0.8",
    );
    check(OfferQuery { spot: true, ..eight() }, "cn-hangzhou g7.2xlarge 0.0412, cn-beijing");
    check(OfferQuery { regions: list(&["cn-*"]), clouds: list(&["aws"]), ..eight() }, "");
    check(
        OfferQuery { regions: list(&["us-*", "cn-b*"]), ..eight() },
        "cn-beijing g7.2xlarge 0.2748, us-east-1",
    );
    check(
        OfferQuery { currency: "CNY".parse().ok(), clouds: list(&["aws"]), ..eight() },
        "us-east-1 m7i.2xlarge 2.9116",
    );
    check(
        OfferQuery { max_price: "0.41".parse().ok(), clouds: list(&["aws"]), ..eight() },
        "us-east-1 m7i.2xlarge 0.4",
    );
    check(
        OfferQuery { gpus: 1, gpu_models: list(&["H*"]), ..OfferQuery::default() },
        "us-east-1 p5.48xlarge 98.32",
    );
    check(OfferQuery { currency: "JPY".parse().ok(), ..eight() }, "no exchange rate for JPY");
    let bare = Exchange { rates: std::collections::BTreeMap::new(), ..Exchange::default() };
    let of =
        |clouds: &[&str]| catalog.query(&OfferQuery { clouds: list(clouds), limit: 1, ..eight() }, &bare);
    assert!(of(&["aws"]).is_ok(), "a currency that is not asked for needs no rate");
    assert!(of(&["aliyun"]).unwrap_err().to_string().starts_with("no exchange rate for CNY"));
}

#[test]
fn what_is_imported_takes_the_place_of_what_was_there() {
    let news = offers(
        "aws,us-east-1,m7i.2xlarge,8,32,0,,0.39,,USD,2026-01-01\naws,us-east-1,m7i.2xlarge,8,32,0,,0.38,,USD,2026-01-02\n\
         aws,us-east-1,m8i.2xlarge,8,32,0,,0.41,,USD,2026-01-01\n",
    );
    let (catalog, added) = catalog().with(&news);
    assert_eq!((added.new, added.replaced, catalog.offers().len()), (1, 1, 8));
    let of =
        |t| catalog.of(Some("aws"), Some("us-east-1"), Some(t)).first().map(|o| o.price_hour.to_string());
    assert_eq!(of("m7i.2xlarge").as_deref(), Some("0.38 USD"));
    assert_eq!(catalog.of(Some("aws"), None, None).len(), 4);
    assert_eq!(catalog.of(None, None, None).len(), 8);
    assert_eq!(catalog.of(Some("gcp"), None, None), []);
}

#[test]
fn a_node_is_priced_by_its_labels() {
    let catalog = catalog();
    let check = |labels: &[(&str, &str)], expect: Option<(&str, Market)>| {
        let labels: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let got = catalog.of_node(&labels).map(|o| (o.price_hour.to_string(), o.market));
        assert_eq!(got, expect.map(|(price, market)| (price.to_owned(), market)), "{labels:?}");
    };
    let place = [("cloud", "aliyun"), ("region", "cn-hangzhou"), ("instance_type", "g7.2xlarge")];
    check(&place, Some(("2 CNY", Market::OnDemand)));
    check(&[&place[..], &[("market", "spot")]].concat(), Some(("0.3 CNY", Market::Spot)));
    check(&[&place[..], &[("zone", "cn-hangzhou-h")]].concat(), Some(("2 CNY", Market::OnDemand)));
    check(&place[..2], None);
    check(&[("cloud", "own")], None);
}

#[test]
fn the_shipped_catalog_is_whole_dated_and_names_its_sources() {
    let catalog = Catalog::shipped();
    assert!(catalog.offers().len() > 300, "{}", catalog.offers().len());
    for cloud in ["aliyun", "aws", "azure", "gcp"] {
        assert!(!catalog.of(Some(cloud), None, None).is_empty(), "{cloud}");
    }
    let about: Vec<_> =
        include_str!("../../data/offers.csv").lines().take_while(|l| l.starts_with('#')).collect();
    for offer in catalog.offers() {
        assert!(offer.price_hour.amount > rust_decimal::Decimal::ZERO, "{offer:?}");
        assert!(offer.as_of > "2024-01-01".parse().unwrap(), "{offer:?}");
        for source in offer.source.split('+') {
            assert!(
                about.iter().any(|line| line.contains(&format!("{source}: "))),
                "{source} is not explained"
            );
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        rows in prop::collection::vec(("[a-z]{1,5}", "[a-z0-9,\" -]{1,9}", 1_u64..512, 1_u64..4096, 1_u64..99_999, any::<bool>()), 0..20)
    ) {
        let text = rows.iter().map(|(cloud, kind, cpu, memory, price, spot)| {
            let kind = kind.replace('"', "\"\"");
            let price = format!("{}.{:03}", price / 1_000, price % 1_000);
            let (a, b) = if *spot { ("", price.as_str()) } else { (price.as_str(), "") };
            format!("{cloud},r,\"x{kind}\",{cpu},{memory}.5,0,,{a},{b},CNY,2025-01-01\n")
        });
        let offers = offers(&text.collect::<String>());
        let mut out = Vec::new();
        write(&offers, &mut out).unwrap();
        prop_assert_eq!(read(&out, "other").unwrap(), offers);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&text, "any");
        let _ = read(&[HEADER.as_bytes(), &text].concat(), "any");
    }
}
