//! The configuration of a filter with `role: admin`.

use super::Env;
use super::read::Field;
use crate::admin::{HostName, Token};

/// A checked configuration of the admin API.
#[derive(Debug)]
pub struct AdminConfig {
    /// What who calls has to know.
    pub token: Token,
    /// The host names that requests may be for, with any port.
    pub hosts: Vec<HostName>,
    /// Envoy's clusters that webhooks which are made through the API may name. A cluster goes past what
    /// the egress listener forbids, to whatever else Envoy reaches.
    pub clusters: Vec<String>,
}

pub(super) fn admin(field: &Field<'_>, env: Env<'_>) -> Option<AdminConfig> {
    let members = field.object(&["role", "token_env", "hosts", "clusters"])?;
    let mut clusters = Vec::new();
    for cluster in members.get("clusters").map(Field::items).unwrap_or_default() {
        clusters.extend(cluster.name());
    }
    let hosts = members.get("hosts").map_or_else(HostName::loopback, hosts);
    let variable = members.require("token_env", field)?;
    match Token::parse(&variable.variable(env)?) {
        Ok(token) => Some(AdminConfig { token, hosts, clusters }),
        Err(error) => {
            variable.wrong(format_args!("this environment variable cannot be used: {error}"));
            None
        }
    }
}

fn hosts(field: &Field<'_>) -> Vec<HostName> {
    if field.is_empty_list() {
        field.fault("nobody would be answered: name at least one host, or leave it out");
    }
    field.items().iter().filter_map(|item| item.parsed(HostName::parse)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Plugin;

    fn faults(text: &str) -> Vec<String> {
        let env = |name: &str| match name {
            "TOKEN" => Some("0123456789abcdef".to_owned()),
            "SHORT" => Some("0123456789abcde".to_owned()),
            _ => None,
        };
        match Plugin::parse(text.as_bytes(), &env) {
            Ok(Plugin::Admin(_)) => Vec::new(),
            Ok(Plugin::Watch(_)) => panic!("this is no admin"),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn an_admin_needs_a_token() {
        assert!(faults(r#"{"role":"admin","token_env":"TOKEN"}"#).is_empty());
        assert_eq!(faults(r#"{"role":"admin"}"#), ["token_env: is required"]);
        let unset = faults(r#"{"role":"admin","token_env":"UNSET"}"#);
        assert!(unset[0].starts_with("token_env: \"UNSET\": this environment variable is not set"));
        let short = faults(r#"{"role":"admin","token_env":"SHORT"}"#);
        assert!(short[0].contains("at least 16"), "{short:?}");
        assert!(!short[0].contains("0123"), "{short:?}");
    }

    #[test]
    fn what_is_for_a_watching_filter_is_unknown_to_an_admin() {
        let faults = faults(r#"{"role":"admin","token_env":"TOKEN","webhooks":[]}"#);
        assert_eq!(
            faults,
            ["webhooks: unknown key; known here are role, token_env, hosts, clusters"]
        );
    }

    #[test]
    fn hosts_are_a_list_of_names_without_ports() {
        let with = |hosts: &str| {
            faults(&format!(r#"{{"role":"admin","token_env":"TOKEN","hosts":{hosts}}}"#))
        };
        assert!(with(r#"["console.example.com","[2001:db8::1]","192.0.2.1"]"#).is_empty());
        assert!(with("[]")[0].starts_with("hosts: nobody would be answered"));
        assert!(with(r#""localhost""#)[0].starts_with("hosts: \"localhost\": must be a list"));
        for wrong in ["localhost:10001", "https://a.example", "*.a.example", ""] {
            let found = with(&format!("[\"{wrong}\"]"));
            assert!(found[0].starts_with(&format!("hosts[0]: \"{wrong}\": must be")), "{found:?}");
        }
    }

    #[test]
    fn clusters_are_a_list_of_names() {
        let with = |clusters: &str| {
            faults(&format!(r#"{{"role":"admin","token_env":"TOKEN","clusters":{clusters}}}"#))
        };
        assert!(with("[]").is_empty() && with(r#"["outbound|443||crm.example.com"]"#).is_empty());
        assert!(with(r#""crm""#)[0].starts_with("clusters: \"crm\": must be a list"));
        assert!(with(r#"[""]"#)[0].starts_with("clusters[0]: \"\": "));
    }
}
