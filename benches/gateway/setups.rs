//! The gateways that are compared. They are the shipped one, but for what is said here.

use super::load::{UNWATCHED, WATCHED};
use super::orders::{APP, ORDERS};
use crate::support::gateway::{Gateway, SECRET_ENV, Setup, root};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;

/// What a gateway does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It passes it on.
    Nothing,
    /// It sends the request to the receiver as well, by itself.
    Mirror,
    /// A Wasm filter is there that does nothing.
    Empty,
    /// Formhook is there, and the call's route leads past it.
    Past,
    /// Formhook is there, and the call is not one that it watches.
    NotWatched,
    /// Formhook pushes what was changed, by the egress listener, to whatever URL.
    Formhook,
    /// The same to a cluster that Envoy is configured with.
    Direct,
    /// The same by another build of Formhook, which `OTHER` names.
    OtherDirect,
    /// A Lua filter does.
    Lua,
}

/// Another build of the module to compare with, such as that of the last release.
pub fn other_module() -> Option<String> {
    std::env::var("OTHER").ok()
}

impl Kind {
    pub fn all() -> Vec<Kind> {
        let mut all = vec![
            Kind::Nothing,
            Kind::Mirror,
            Kind::Empty,
            Kind::Past,
            Kind::NotWatched,
            Kind::Formhook,
            Kind::Direct,
            Kind::Lua,
        ];
        all.extend(other_module().map(|_| Kind::OtherDirect));
        all
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Nothing => "no filter",
            Kind::Mirror => "request_mirror_policies",
            Kind::Empty => "empty Wasm filter",
            Kind::Past => "Formhook, call led past it",
            Kind::NotWatched => "Formhook, call not watched",
            Kind::Formhook => "Formhook, pushing to a URL",
            Kind::Direct => "Formhook, to a cluster",
            Kind::OtherDirect => "the other Formhook, to a cluster",
            Kind::Lua => "Lua filter, pushing",
        }
    }

    /// Whether the receiver gets something of each call.
    pub fn pushes(self) -> bool {
        matches!(self, Kind::Mirror | Kind::Formhook | Kind::Direct | Kind::OtherDirect | Kind::Lua)
    }

    pub fn path(self) -> &'static str {
        match self {
            Kind::Past | Kind::NotWatched => UNWATCHED,
            _ => WATCHED,
        }
    }
}

/// Formhook's configuration: five aliases, both signatures.
pub fn plugin(receivers: &[u16]) -> Value {
    let fields: Vec<_> = (0..5)
        .map(|n| json!({"id": format!("_widget_14327286{:05}", 51402 + n), "alias": format!("field_{n}")}))
        .collect();
    let webhook = |(number, port): (usize, &u16)| {
        json!({
            "id": format!("target{number}"), "url": format!("http://127.0.0.1:{port}/hook"),
            "secret_env": SECRET_ENV, "retry": ["10m"], "disable_after": 1_000_000,
        })
    };
    json!({
        "platform": "jodoo",
        "forms": [{"app_id": APP, "entry_id": ORDERS, "name": "Orders", "fields": fields}],
        "webhooks": receivers.iter().enumerate().map(webhook).collect::<Vec<_>>(),
        "limits": {"memory_bytes": 536_870_912, "max_body_bytes": 4_194_304},
    })
}

/// What a person would write: the answer's body with other names, sent on. It signs nothing, repeats
/// nothing and counts nothing.
const LUA: &str = r#"
function envoy_on_request(handle)
  handle:streamInfo():dynamicMetadata():set("hook", "path", handle:headers():get(":path"))
end
function envoy_on_response(handle)
  local of = handle:streamInfo():dynamicMetadata():get("hook")
  if not of or of.path ~= "/api/v5/app/entry/data/create" or handle:headers():get(":status") ~= "200" then return end
  local body = handle:body()
  local text = body:getBytes(0, body:length())
  for n = 0, 4 do
    text = string.gsub(text, '"_widget_14327286' .. (51402 + n) .. '"', '"field_' .. n .. '"')
  end
  text = string.sub(text, 1, -2) .. ',"op":"data_create"}'
  handle:httpCall("receiver", {
    [":method"] = "POST", [":path"] = "/hook", [":authority"] = "receiver", ["content-type"] = "application/json",
  }, text, 2000, true)
end"#;

pub async fn start(kind: Kind, platform: u16, receiver: u16) -> Gateway {
    let mut plugin = plugin(&[receiver]);
    if matches!(kind, Kind::Direct | Kind::OtherDirect) {
        plugin["webhooks"][0]["cluster"] = json!("receiver");
    }
    let setup = Setup::new(SocketAddr::from(([127, 0, 0, 1], platform)), &plugin);
    let setup = match kind {
        Kind::Empty => setup.module(empty_module()),
        Kind::Past => setup.leading_past(UNWATCHED),
        Kind::OtherDirect => {
            let other = other_module().unwrap_or_default();
            setup.edited(|setup| edit(setup, Kind::Direct, receiver)).module(&other)
        }
        _ => setup.edited(|setup| edit(setup, kind, receiver)),
    };
    setup.start().await
}

/// Assembles the filter that does nothing. Its name in the folder of modules.
fn empty_module() -> &'static str {
    const NAME: &str = "empty.wasm";
    let assembled = Command::new("wasm-as")
        .arg(root().join("benches/gateway/empty.wat"))
        .arg("-o")
        .arg(root().join("build").join(NAME))
        .status();
    assert!(assembled.is_ok_and(|status| status.success()), "wasm-as, of Binaryen, is needed");
    NAME
}

/// Formhook before targets on these ports.
pub async fn formhook(platform: u16, receivers: &[u16]) -> Gateway {
    let platform = SocketAddr::from(([127, 0, 0, 1], platform));
    Setup::new(platform, &plugin(receivers)).start().await
}

fn edit(setup: &mut Setup, kind: Kind, receiver: u16) {
    if matches!(kind, Kind::Formhook | Kind::NotWatched) {
        return;
    }
    let filters = setup.http_filters().as_array_mut().unwrap();
    let at = filters.iter().position(|filter| filter["name"] == "envoy.filters.http.wasm").unwrap();
    if kind != Kind::Direct {
        filters.remove(at);
    }
    let mut cluster = setup.cluster("form_platform").clone();
    cluster["name"] = json!("receiver");
    cluster["load_assignment"]["cluster_name"] = json!("receiver");
    let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    cluster.pointer_mut(endpoint).unwrap()["port_value"] = json!(receiver);
    setup.at("/static_resources/clusters").as_array_mut().unwrap().push(cluster);
    if kind == Kind::Mirror {
        let route = &mut setup.routes()[0]["route"];
        route["request_mirror_policies"] = json!([{"cluster": "receiver"}]);
    }
    if kind == Kind::Lua {
        let lua = json!({
            "name": "envoy.filters.http.lua",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": {"inline_string": LUA},
            },
        });
        setup.http_filters().as_array_mut().unwrap().insert(at, lua);
    }
}
