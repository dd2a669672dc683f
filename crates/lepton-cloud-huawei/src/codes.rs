//! Huawei Cloud's error codes and what they mean ("Error codes" of ECS and of API Gateway). Services answer with proper HTTP
//! statuses for the rest.

use lepton_cloud::{Codes, ErrorKind};

const INVALID: ErrorKind = ErrorKind::Invalid { field: None };

pub(crate) const CODES: Codes = &[
    ("APIGW.0301", ErrorKind::Unauthorized),
    ("APIGW.0302", ErrorKind::Forbidden),
    ("APIGW.0308", ErrorKind::Throttled { retry_after: None }),
    ("Ecs.0001", ErrorKind::Quota { limit: None }),
    ("Ecs.0003", ErrorKind::Forbidden),
    ("Ecs.0005", INVALID),
    // The machine does not exist.
    ("Ecs.0114", ErrorKind::NotFound),
    ("Ecs.0614", ErrorKind::NotFound),
    // The type has no capacity left.
    ("Ecs.0319", ErrorKind::OutOfStock),
    ("IMG.0027", ErrorKind::NotFound),
];
