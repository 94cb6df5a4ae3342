//! `Dockerfile` and `compose.yaml`.

use super::{changed, check_jsonschema, documents, judged, linter, path, text};

const COMPOSE: &str = "envoy/compose.yaml";

fn hadolint(dockerfile: &str) -> (bool, String) {
    judged(linter("hadolint").arg("-"), dockerfile)
}

fn compose_schema(yaml: &str) -> (bool, String) {
    check_jsonschema("vendor.compose-spec", yaml)
}

#[test]
fn hadolint_has_nothing_to_say_of_the_dockerfile() {
    assert_eq!(hadolint(&text("envoy/Dockerfile")), (true, String::new()));
}

#[test]
fn hadolint_refuses_a_dockerfile_that_is_none() {
    let (is_good, said) = hadolint(&changed(&text("envoy/Dockerfile"), "COPY", "COPPY"));
    assert!(!is_good && said.contains("unexpected 'C'"), "{said}");
}

#[test]
fn the_schema_of_compose_takes_the_file() {
    let (is_good, said) = compose_schema(&text(COMPOSE));
    assert!(is_good, "{said}");
}

#[test]
fn the_schema_of_compose_refuses_what_is_not_in_it() {
    let (is_good, said) = compose_schema(&changed(&text(COMPOSE), "cap_drop", "drop_caps"));
    assert!(!is_good && said.contains("'drop_caps' was unexpected"), "{said}");
}

#[test]
fn compose_hands_envoy_every_variable_of_either_configuration() {
    let compose = documents(&text(COMPOSE)).remove(0);
    let environment = compose["services"]["envoy"]["environment"].as_object().unwrap();
    for file in ["envoy/envoy.yaml", "envoy/redis/envoy.yaml"] {
        let envoy = documents(&text(file)).remove(0);
        let filters =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        let filters = envoy.pointer(filters).unwrap().as_array().unwrap();
        let filter = filters.iter().find(|one| one["name"] == "envoy.filters.http.wasm").unwrap();
        let keys = "/typed_config/config/vm_config/environment_variables/host_env_keys";
        for key in filter.pointer(keys).unwrap().as_array().unwrap() {
            assert!(environment.contains_key(key.as_str().unwrap()), "{file}: {key}");
        }
    }
}

#[test]
fn compose_runs_the_webdis_that_is_tested() {
    let compose = documents(&text(COMPOSE)).remove(0);
    let dockerfile = compose["services"]["webdis"]["build"]["dockerfile_inline"].as_str().unwrap();
    let (_, version) = dockerfile.split_once("webdis=").unwrap();
    let version = version.split('+').next().unwrap();
    let tested = format!("| Webdis | {version} (Debian 12) |");
    assert!(text("docs/compatibility.md").contains(&tested), "{tested}");
    assert!(text("envoy/redis/README.md").contains(&format!("`webdis` ({version},")), "{version}");
    let (is_good, said) = hadolint(dockerfile);
    assert!(is_good, "{said}");
}

#[test]
fn compose_mounts_files_that_are_there_and_runs_an_envoy_that_is_tested() {
    // What is built, or written by the commands of redis/README.md.
    let made = ["../build/formhook.wasm", "../redis.conf", "../webdis.json"];
    let compose = documents(&text(COMPOSE)).remove(0);
    let mut mounted = 0;
    for (_, service) in compose["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().unwrap() {
            // The folder of Envoy's sockets, which must be its user's own: Docker would make it root's.
            if volume["source"] == "../run" {
                assert_eq!(volume["bind"]["create_host_path"], false);
                continue;
            }
            let volume =
                volume.as_str().unwrap().replace("${FORMHOOK_CONFIG:-envoy.yaml}", "envoy.yaml");
            let (source, _) = volume.split_once(':').unwrap();
            let is_file = source.starts_with('.');
            if is_file && !made.contains(&source) {
                assert!(path("envoy").join(source).exists(), "{source} is not there");
                mounted += 1;
            }
        }
    }
    assert_eq!(mounted, 1);
    let image = compose["services"]["envoy"]["image"].as_str().unwrap();
    let (_, version) = image.split_once("distroless-v").unwrap();
    let makefile = text("Makefile");
    let tested = makefile.lines().find(|line| line.starts_with("ENVOY_VERSIONS")).unwrap();
    assert!(tested.split(' ').any(|one| one == version), "{version} is none of {tested}");
}
