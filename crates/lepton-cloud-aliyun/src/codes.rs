//! Alibaba Cloud's error codes and what they mean ("Error codes" of ECS, VPC and the common ones of the gateway).

use lepton_cloud::{Codes, ErrorKind};

const QUOTA: ErrorKind = ErrorKind::Quota { limit: None };
const INVALID: ErrorKind = ErrorKind::Invalid { field: None };

pub(crate) const CODES: Codes = &[
    ("InvalidAccessKeyId*", ErrorKind::Unauthorized),
    ("SignatureDoesNotMatch", ErrorKind::Unauthorized),
    ("IncompleteSignature", ErrorKind::Unauthorized),
    ("InvalidSecurityToken*", ErrorKind::Unauthorized),
    ("InvalidTimeStamp*", ErrorKind::Unauthorized),
    ("NoPermission*", ErrorKind::Forbidden),
    ("Forbidden*", ErrorKind::Forbidden),
    ("Throttling*", ErrorKind::Throttled { retry_after: None }),
    ("OperationDenied.NoStock", ErrorKind::OutOfStock),
    ("Zone.NotOnSale", ErrorKind::OutOfStock),
    ("InvalidResourceType.NotSupported", ErrorKind::OutOfStock),
    ("QuotaExceed*", QUOTA),
    ("*.QuotaExceed", QUOTA),
    ("*QuotaExceeded", QUOTA),
    ("*.NotFound", ErrorKind::NotFound),
    ("*.NotExist", ErrorKind::NotFound),
    ("*NotExists", ErrorKind::NotFound),
    ("IncorrectInstanceStatus*", ErrorKind::Conflict),
    ("IncorrectDiskStatus*", ErrorKind::Conflict),
    ("IncorrectStatus*", ErrorKind::Conflict),
    ("InvalidOperation.Conflict", ErrorKind::Conflict),
    ("DependencyViolation*", ErrorKind::Conflict),
    ("OperationConflict", ErrorKind::Conflict),
    ("IdempotentParameterMismatch", ErrorKind::Conflict),
    ("ServiceUnavailable", ErrorKind::Transient),
    ("InternalError", ErrorKind::Unanswered),
    ("Missing*", INVALID),
    ("Invalid*", INVALID),
];
