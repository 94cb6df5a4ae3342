//! The gateways that pairs are played through: the files that are shipped, as they are but for ports.

use crate::generate::{ALIASES, Pair};
use crate::orders::{APP, ORDERS};
use crate::support::gateway::{Gateway as Envoy, STORE_AUTH_ENV, Setup};
use crate::support::store::{Fsync, RedisServer, Webdis};
use serde_json::{Value, json};
use std::net::SocketAddr;

pub struct Gateway {
    pub name: &'static str,
    /// Whether it has filters that undo gzip and do it again.
    pub undoes_gzip: bool,
    has_aliases: bool,
    envoy: Envoy,
    /// What has to live as long.
    _store: Option<(RedisServer, Webdis)>,
}

impl Gateway {
    pub fn address(&self) -> SocketAddr {
        self.envoy.address
    }

    pub fn assert_alive(&self) {
        self.envoy.assert_vm_alive();
    }

    /// The request's body as a client of this gateway sends it.
    pub fn body(&self, pair: &Pair) -> Vec<u8> {
        let body = pair.body();
        if self.has_aliases { with_aliases(&body) } else { body }
    }

    /// The bodies that may have become of one on its way to the client.
    pub fn answers(&self, body: &[u8]) -> Vec<Vec<u8>> {
        let mut answers = vec![body.to_vec()];
        if self.has_aliases {
            answers.push(with_aliases(body));
        }
        answers
    }
}

/// A body with aliases in place of ids.
pub fn with_aliases(body: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    let names = ALIASES.iter();
    names.fold(text.to_owned(), |text, (id, alias)| text.replace(id, alias)).into_bytes()
}

/// The plugin's configuration.
fn plugin(has_aliases: bool) -> Value {
    let fields = ALIASES.map(|(id, alias)| json!({"id": id, "alias": alias, "type": "text"}));
    json!({
        "platform": "jodoo",
        "forms": [{
            "app_id": APP, "entry_id": ORDERS, "name": "Orders", "aliases_in_api": has_aliases, "fields": fields,
        }],
        // Nobody listens there, and nobody needs to.
        "webhooks": [{"id": "crm", "url": "http://127.0.0.1:1/", "retry": []}],
    })
}

fn small_buffers(setup: &mut Setup) {
    setup.listener("gateway")["per_connection_buffer_limit_bytes"] = json!(32 * 1024);
}

/// What a mesh has: the filter without those beside it.
fn only_the_filter(setup: &mut Setup) {
    setup.http_filters().as_array_mut().unwrap().retain(|filter| {
        ["envoy.filters.http.wasm", "envoy.filters.http.router"]
            .iter()
            .any(|name| filter["name"] == *name)
    });
}

pub async fn all(platform: SocketAddr) -> Vec<Gateway> {
    let of = |name, has_aliases, envoy| Gateway {
        name,
        undoes_gzip: true,
        has_aliases,
        envoy,
        _store: None,
    };
    let plain = Setup::new(platform, &plugin(false)).start().await;
    let aliases = Setup::new(platform, &plugin(true)).start().await;
    let small = Setup::new(platform, &plugin(true)).edited(small_buffers).start().await;
    let mut of_sidecar = Setup::before("envoy/sidecar.yaml", platform);
    let shipped = &mut of_sidecar.plugin()["configuration"]["value"];
    shipped["forms"] = plugin(true)["forms"].take();
    let sidecar = of_sidecar.start().await;
    let bare = Setup::new(platform, &plugin(true)).edited(only_the_filter).edited(small_buffers);
    let bare = Gateway {
        undoes_gzip: false,
        ..of("in a mesh, with aliases and buffers of 32 KiB", true, bare.start().await)
    };

    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let mut durable = plugin(true);
    durable["store"] = json!({"redis": {
        "cluster": "webdis", "auth_env": STORE_AUTH_ENV, "ack": "before_response", "ack_timeout": "10s",
    }});
    let durable = Setup::new(platform, &durable).with_webdis(webdis.port()).edited(small_buffers);
    let durable = durable.start().await;
    vec![
        of("gateway", false, plain),
        of("gateway with aliases", true, aliases),
        of("gateway with aliases and buffers of 32 KiB", true, small),
        of("sidecar with aliases", true, sidecar),
        bare,
        Gateway {
            _store: Some((redis, webdis)),
            ..of(
                "gateway that stores before it answers, with aliases and buffers of 32 KiB",
                true,
                durable,
            )
        },
    ]
}
