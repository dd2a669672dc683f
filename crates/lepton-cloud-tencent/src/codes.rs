//! Tencent Cloud's error codes and what they mean ("Error codes" of CVM, CBS, VPC and the common ones).

use lepton_cloud::{Codes, ErrorKind};

const QUOTA: ErrorKind = ErrorKind::Quota { limit: None };
const INVALID: ErrorKind = ErrorKind::Invalid { field: None };

pub(crate) const CODES: Codes = &[
    ("AuthFailure.UnauthorizedOperation", ErrorKind::Forbidden),
    ("AuthFailure*", ErrorKind::Unauthorized),
    ("UnauthorizedOperation*", ErrorKind::Forbidden),
    ("RequestLimitExceeded*", ErrorKind::Throttled { retry_after: None }),
    ("ResourceInsufficient*", ErrorKind::OutOfStock),
    ("ResourcesSoldOut*", ErrorKind::OutOfStock),
    ("ResourceUnavailable*", ErrorKind::OutOfStock),
    ("LimitExceeded*", QUOTA),
    ("InstancesQuotaLimitExceeded", QUOTA),
    ("InvalidInstanceType.NotFound", INVALID),
    ("InvalidParameterValue.InstanceTypeNotFound", INVALID),
    ("*.NotFound", ErrorKind::NotFound),
    ("*NotFound", ErrorKind::NotFound),
    ("InvalidInstanceId*", ErrorKind::NotFound),
    ("ResourceNotFound*", ErrorKind::NotFound),
    ("ResourceInUse*", ErrorKind::Conflict),
    ("UnsupportedOperation*", ErrorKind::Conflict),
    ("OperationDenied*", ErrorKind::Conflict),
    ("MutexOperation*", ErrorKind::Conflict),
    ("FailedOperation*", ErrorKind::Unanswered),
    ("InternalError*", ErrorKind::Unanswered),
    ("InternalServerError", ErrorKind::Unanswered),
    ("InvalidParameter*", INVALID),
    ("MissingParameter*", INVALID),
    ("UnknownParameter*", INVALID),
    ("Invalid*", INVALID),
];
