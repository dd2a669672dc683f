//! The server: API, reconcilers, auth.
