//! AWS's error codes and what they mean ("Error codes for the Amazon EC2 API" and the common ones).

use lepton_cloud::{Codes, ErrorKind};

const QUOTA: ErrorKind = ErrorKind::Quota { limit: None };
const INVALID: ErrorKind = ErrorKind::Invalid { field: None };

pub(crate) const CODES: Codes = &[
    ("AuthFailure", ErrorKind::Unauthorized),
    ("InvalidClientTokenId", ErrorKind::Unauthorized),
    ("SignatureDoesNotMatch", ErrorKind::Unauthorized),
    ("RequestExpired", ErrorKind::Unauthorized),
    ("ExpiredToken*", ErrorKind::Unauthorized),
    ("UnauthorizedOperation", ErrorKind::Forbidden),
    ("AccessDenied*", ErrorKind::Forbidden),
    ("OptInRequired", ErrorKind::Forbidden),
    ("RequestLimitExceeded", ErrorKind::Throttled { retry_after: None }),
    ("Throttling*", ErrorKind::Throttled { retry_after: None }),
    ("InsufficientInstanceCapacity", ErrorKind::OutOfStock),
    ("InsufficientCapacity*", ErrorKind::OutOfStock),
    ("SpotMaxPriceTooLow", ErrorKind::OutOfStock),
    ("*LimitExceeded", QUOTA),
    ("IncorrectState*", ErrorKind::Conflict),
    ("IncorrectInstanceState", ErrorKind::Conflict),
    ("DependencyViolation", ErrorKind::Conflict),
    ("VolumeInUse", ErrorKind::Conflict),
    ("ResourceInUse*", ErrorKind::Conflict),
    ("InvalidGroup.Duplicate", ErrorKind::Conflict),
    ("InvalidGroup.InUse", ErrorKind::Conflict),
    ("IdempotentParameterMismatch", ErrorKind::Conflict),
    ("Unsupported", INVALID),
    ("*.NotFound", ErrorKind::NotFound),
    ("*NotFound", ErrorKind::NotFound),
    ("*.Malformed", ErrorKind::NotFound),
    ("Unavailable", ErrorKind::Transient),
    ("ServiceUnavailable", ErrorKind::Transient),
    ("Internal*", ErrorKind::Unanswered),
    ("Missing*", INVALID),
    ("Invalid*", INVALID),
    ("ValidationError", INVALID),
];
