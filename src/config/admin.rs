//! The configuration of a filter with `role: admin`.

use super::Env;
use super::read::Field;
use crate::admin::Token;

/// A checked configuration of the admin API.
#[derive(Debug)]
pub struct AdminConfig {
    /// What who calls has to know.
    pub token: Token,
    /// Envoy's clusters that webhooks which are made through the API may name. A cluster goes past what
    /// the egress listener forbids, to whatever else Envoy reaches.
    pub clusters: Vec<String>,
}

pub(super) fn admin(field: &Field<'_>, env: Env<'_>) -> Option<AdminConfig> {
    let members = field.object(&["role", "token_env", "clusters"])?;
    let mut clusters = Vec::new();
    for cluster in members.get("clusters").map(Field::items).unwrap_or_default() {
        clusters.extend(cluster.name());
    }
    let variable = members.require("token_env", field)?;
    match Token::parse(&variable.variable(env)?) {
        Ok(token) => Some(AdminConfig { token, clusters }),
        Err(error) => {
            variable.wrong(format_args!("this environment variable cannot be used: {error}"));
            None
        }
    }
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
        assert_eq!(faults, ["webhooks: unknown key; known here are role, token_env, clusters"]);
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
