//! Both versions against prost, whose structs are written from the published `.proto` files.

use lepton_api::remote_write::{DecodeError, Encoder, Limits, Protocol, Scratch, decode};
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Opaque {}

mod v1 {
    use super::{Opaque, Sample};

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Label {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub exemplars: Vec<Opaque>,
        #[prost(message, repeated, tag = "4")]
        pub histograms: Vec<Opaque>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub metadata: Vec<Opaque>,
    }
}

mod v2 {
    use super::{Opaque, Sample};

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TimeSeries {
        #[prost(uint32, repeated, tag = "1")]
        pub labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub histograms: Vec<Opaque>,
        #[prost(message, repeated, tag = "4")]
        pub exemplars: Vec<Opaque>,
        #[prost(message, optional, tag = "5")]
        pub metadata: Option<Opaque>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(string, repeated, tag = "4")]
        pub symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub timeseries: Vec<TimeSeries>,
    }
}

type Series = (Vec<(String, String)>, Vec<(i64, u64)>);

fn pack(message: &impl Message) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec()).unwrap()
}

fn read(protocol: Protocol, body: &[u8]) -> Result<Vec<Series>, DecodeError> {
    let mut found: Vec<Series> = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let report = decode(protocol, body, &Limits::default(), &mut Scratch::default(), |labels, samples| {
        let labels = labels.iter().map(|(name, value)| (text(name), text(value))).collect();
        found.push((labels, samples.iter().map(|(at, value)| (*at, value.to_bits())).collect()));
    })?;
    assert_eq!(report.samples as usize, found.iter().map(|(_, samples)| samples.len()).sum::<usize>());
    Ok(found)
}

fn request_v1(series: &[Series]) -> v1::WriteRequest {
    let timeseries = series.iter().map(|(labels, samples)| v1::TimeSeries {
        labels: labels
            .iter()
            .map(|(name, value)| v1::Label { name: name.clone(), value: value.clone() })
            .collect(),
        samples: samples
            .iter()
            .map(|(at, bits)| Sample { value: f64::from_bits(*bits), timestamp: *at })
            .collect(),
        ..Default::default()
    });
    v1::WriteRequest { timeseries: timeseries.collect(), ..Default::default() }
}

fn any_series() -> impl Strategy<Value = Vec<Series>> {
    let labels = proptest::collection::btree_map("[a-z_]{1,6}", ".{0,8}", 0..6)
        .prop_map(|labels| labels.into_iter().collect::<Vec<_>>());
    let samples = proptest::collection::vec((any::<i64>(), any::<u64>()), 1..5);
    proptest::collection::vec((labels, samples), 0..8)
}

proptest! {
    #[test]
    fn version_1_reads_what_prost_writes(series in any_series()) {
        prop_assert_eq!(read(Protocol::V1, &pack(&request_v1(&series))).unwrap(), series);
    }

    #[test]
    fn what_we_write_prost_and_we_read(series in any_series()) {
        for protocol in [Protocol::V1, Protocol::V2] {
            let mut encoder = Encoder::new(protocol);
            // The second request must not remember the first.
            for _ in 0..2 {
                for (labels, samples) in &series {
                    let labels: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                    let samples: Vec<_> = samples.iter().map(|(at, bits)| (*at, f64::from_bits(*bits))).collect();
                    encoder.series(&labels, &samples);
                }
                let body = encoder.finish().to_vec();
                prop_assert_eq!(&read(protocol, &body).unwrap(), &series);
                let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
                match protocol {
                    Protocol::V1 => {
                        let request = v1::WriteRequest::decode(plain.as_slice()).unwrap();
                        prop_assert_eq!(request.encode_to_vec(), request_v1(&series).encode_to_vec());
                    }
                    Protocol::V2 => {
                        let request = v2::Request::decode(plain.as_slice()).unwrap();
                        prop_assert_eq!(request.symbols.first().map(String::as_str), Some(""));
                        prop_assert_eq!(request.timeseries.len(), series.len());
                        for (got, (labels, _)) in request.timeseries.iter().zip(&series) {
                            let symbols: Vec<_> =
                                got.labels_refs.iter().map(|at| request.symbols[*at as usize].as_str()).collect();
                            let want: Vec<_> =
                                labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
                            prop_assert_eq!(symbols, want);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn damage_never_panics(series in any_series(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut plain = request_v1(&series).encode_to_vec();
        if !plain.is_empty() {
            let index = at.index(plain.len());
            plain[index] = byte;
            plain.truncate(cut.index(plain.len() + 1));
        }
        let body = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
        for protocol in [Protocol::V1, Protocol::V2] {
            let _ = decode(protocol, &body, &Limits::default(), &mut Scratch::default(), |_, _| ());
            let _ = decode(protocol, &plain, &Limits::default(), &mut Scratch::default(), |_, _| ());
        }
    }
}

#[test]
fn histograms_and_exemplars_are_counted() {
    let label = v1::Label { name: "__name__".into(), value: "h".into() };
    let series = v1::TimeSeries {
        labels: vec![label],
        histograms: vec![Opaque {}, Opaque {}],
        exemplars: vec![Opaque {}],
        ..Default::default()
    };
    let body = pack(&v1::WriteRequest { timeseries: vec![series], metadata: vec![Opaque {}] });
    let report = decode(Protocol::V1, &body, &Limits::default(), &mut Scratch::default(), |_, _| ()).unwrap();
    assert_eq!((report.series, report.samples, report.histograms, report.exemplars), (1, 0, 2, 1));
}

#[test]
fn long_series_come_in_pieces() {
    let samples: Vec<_> = (0..10_000).map(|at| (at, 0)).collect();
    let series = vec![(vec![("__name__".to_owned(), "m".to_owned())], samples)];
    let pieces = read(Protocol::V1, &pack(&request_v1(&series))).unwrap();
    assert!(pieces.len() > 1);
    assert_eq!(pieces.into_iter().flat_map(|(_, samples)| samples).collect::<Vec<_>>(), series[0].1);
}

#[test]
fn limits_and_contradictions_are_named() {
    let v2 = |symbols: &[&str], references: &[u32]| {
        let series = v2::TimeSeries { labels_refs: references.to_vec(), ..Default::default() };
        pack(&v2::Request {
            symbols: symbols.iter().map(|s| (*s).to_owned()).collect(),
            timeseries: vec![series],
        })
    };
    let check = |body: &[u8], limits: Limits, expect: DecodeError| {
        assert_eq!(decode(Protocol::V2, body, &limits, &mut Scratch::default(), |_, _| ()), Err(expect));
    };
    let default = Limits::default();
    check(&v2(&["", "a"], &[1, 2]), default, DecodeError::NoSuchSymbol { series: 0, symbol: 2, count: 2 });
    check(&v2(&["", "a"], &[1]), default, DecodeError::OddLabels { series: 0 });
    let few = Limits { symbols: 1, ..default };
    check(&v2(&["", "a"], &[]), few, DecodeError::TooLarge { count: 2, unit: "symbols", limit: 1 });
    let few = Limits { labels: 1, ..default };
    let error = DecodeError::TooLarge { count: 2, unit: "labels in one series", limit: 1 };
    check(&v2(&[""], &[0, 0, 0, 0]), few, error);
    let small = Limits { decompressed: 3, ..default };
    check(&v2(&["", "a"], &[]), small, DecodeError::TooLarge { count: 7, unit: "bytes", limit: 3 });
    // A header that declares 4 GiB, with nothing behind it.
    let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let error =
        DecodeError::TooLarge { count: u32::MAX as usize, unit: "bytes", limit: default.decompressed };
    check(&bomb, default, error);
    let not = pack(&v1::Label { name: "x".into(), value: "y".into() });
    check(&not[..1], default, read(Protocol::V2, &not[..1]).unwrap_err());
    assert!(matches!(read(Protocol::V1, b"\x02\x04\xff\xff"), Err(DecodeError::Malformed(_))));
}

#[test]
fn content_types() {
    let check = |value, expect| assert_eq!(Protocol::from_content_type(value), expect, "{value}");
    check("application/x-protobuf", Some(Protocol::V1));
    check("application/x-protobuf;proto=prometheus.WriteRequest", Some(Protocol::V1));
    check("application/x-protobuf; proto=io.prometheus.write.v2.Request", Some(Protocol::V2));
    check("Application/X-Protobuf;charset=utf-8", Some(Protocol::V1));
    check("application/x-protobuf;proto=other", None);
    check("application/json", None);
    check("", None);
    for protocol in [Protocol::V1, Protocol::V2] {
        check(protocol.content_type(), Some(protocol));
    }
}
