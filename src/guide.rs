//! The guide: from the first five minutes to production, and how to come from other SDKs.
//!
//! There is no code in it; `docs/guide` of the repository has the same pages.

#[doc = include_str!("../docs/guide/1-five-minutes.md")]
pub mod five_minutes {}
#[doc = include_str!("../docs/guide/2-desired-reported-delta.md")]
pub mod desired_reported_delta {}
#[doc = include_str!("../docs/guide/3-nulls.md")]
pub mod nulls {}
#[doc = include_str!("../docs/guide/4-versions-and-conflicts.md")]
pub mod versions_and_conflicts {}
#[doc = include_str!("../docs/guide/5-offline-and-reconnect.md")]
pub mod offline_and_reconnect {}
#[doc = include_str!("../docs/guide/6-limits.md")]
pub mod limits {}
#[doc = include_str!("../docs/guide/7-testing-without-aws.md")]
pub mod testing_without_aws {}
#[doc = include_str!("../docs/guide/8-connecting-to-aws.md")]
pub mod connecting_to_aws {}
#[doc = include_str!("../docs/guide/9-going-to-production.md")]
pub mod going_to_production {}
#[doc = include_str!("../docs/guide/10-from-python-v1.md")]
pub mod from_python_v1 {}
#[doc = include_str!("../docs/guide/11-from-python-v2.md")]
pub mod from_python_v2 {}
#[doc = include_str!("../docs/guide/12-command-line.md")]
pub mod command_line {}
#[doc = include_str!("../docs/guide/13-what-it-promises.md")]
pub mod what_it_promises {}
#[doc = include_str!("../docs/observability.md")]
pub mod observability {}
