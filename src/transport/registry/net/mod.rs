//! Connections to a registry and to the hosts that it names: clients, TLS, proxies, redirects and
//! the rules for another try.

pub(super) mod connect;
pub(super) mod proxy;
pub(super) mod redirect_policy;
pub(super) mod retry;
pub(super) mod tls;
