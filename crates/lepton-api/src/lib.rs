//! Wire types of the v1 API and its typed client.
