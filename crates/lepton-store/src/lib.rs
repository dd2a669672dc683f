//! What is wanted and what is: objects, revisions, timeline, leases.
