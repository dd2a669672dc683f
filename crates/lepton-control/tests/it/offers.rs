//! Offers: asked for, imported, kept, joined in SQL.

use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Estate, answer};

const HEADER: &str = "cloud,region,instance_type,vcpu,memory_gib,on_demand_hour,spot_hour,currency,as_of";

async fn import(estate: &Estate, token: &str, rows: &str) -> (u16, Value) {
    let request = estate.request(Method::POST, "/v1/offers?source=test", token);
    let request = request.header("content-type", "text/csv").body(format!("{HEADER}\n{rows}"));
    let (status, body) = answer(request.send().await.unwrap()).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn the_cheapest_offer_comes_first_and_mistakes_are_named() {
    let estate = Estate::new().await;
    let (status, list) =
        estate.get("/v1/offers?cpu=8&memory=32Gi&cloud=aliyun,aws&region=cn-*,us-*&limit=3").await;
    assert_eq!(status, 200, "{list}");
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["cloud"], &list["currency"]), (3, &json!("aliyun"), &json!("USD")));
    assert!(list["matched"].as_u64().unwrap() > 3 && list["rates"]["CNY"]["as_of"].is_string(), "{list}");
    let prices: Vec<f64> =
        items.iter().map(|i| i["price"]["amount"].as_str().unwrap().parse().unwrap()).collect();
    assert!(prices.is_sorted(), "{prices:?}");
    let check = async |query: &str, field: &str| {
        let (status, problem) = estate.get(&format!("/v1/offers?{query}")).await;
        assert_eq!(
            (status.as_u16(), problem["errors"][0]["field"].as_str()),
            (422, Some(field)),
            "{problem}"
        );
    };
    check("currency=JPY", "currency").await;
    check("cpu=lots", "cpu").await;
    check("limit=-1", "limit").await;
    check("colour=red", "colour").await;
}

#[tokio::test]
async fn an_import_is_all_or_nothing_and_outlives_the_server() {
    let estate = Estate::new().await;
    let row = "own,cn-hz,box,64,256,0.10,,CNY,2026-01-01\n";
    let viewer = estate.token("eve", "viewer", None).await;
    assert_eq!(import(&estate, &viewer, row).await.0, 403);
    let (status, problem) =
        import(&estate, &estate.admin, &format!("{row}own,cn-hz,bix,x,256,1,,CNY,2026-01-01")).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("line 3, vcpu")), "{problem}");
    assert_eq!(estate.get("/v1/offers?cloud=own").await.1["matched"], 0);
    let (status, done) = import(&estate, &estate.admin, row).await;
    assert_eq!((status, &done["new"], &done["replaced"]), (201, &json!(1), &json!(0)), "{done}");
    let again = import(&estate, &estate.admin, "own,cn-hz,box,64,256,0.20,,CNY,2026-02-01").await.1;
    assert_eq!((&again["new"], &again["replaced"], &again["total"]), (&json!(0), &json!(1), &done["total"]));

    let config = lepton_control::ServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..crate::estate::config(&estate.folder)
    };
    estate.server.shutdown().await;
    let estate = Estate::start(config, estate.folder).await;
    let (_, list) = estate.get("/v1/offers?cloud=own&currency=CNY").await;
    let found = (&list["items"][0]["price"]["amount"], &list["items"][0]["source"]);
    assert_eq!(found, (&json!("0.2"), &json!("test")), "{list}");
}

#[tokio::test]
async fn nodes_join_their_offers_in_sql() {
    let estate = Estate::new().await;
    let labels = json!({"cloud": "aliyun", "region": "cn-hangzhou", "instance_type": "ecs.g7.2xlarge"});
    estate.join("edge-1").await;
    estate.apply(json!({"kind": "node", "name": "edge-1", "labels": labels, "spec": {}})).await;
    let query = "SELECT n.name, o.price_hour, o.currency FROM nodes n JOIN offers o
        ON o.cloud = n.labels ->> 'cloud' AND o.region = n.labels ->> 'region' AND o.instance_type = n.labels ->> 'instance_type'
        WHERE o.market = 'on_demand'";
    let (status, report) = estate.post("/v1/sql", json!({ "query": query })).await;
    assert_eq!((status.as_u16(), &report["rows"]), (200, &json!([["edge-1", 2.093, "CNY"]])), "{report}");
    let (_, report) =
        estate.post("/v1/sql", json!({"query": "SELECT count(DISTINCT cloud) FROM offers"})).await;
    assert_eq!(report["rows"], json!([[4]]));
}
