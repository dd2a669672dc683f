//! Lake.
