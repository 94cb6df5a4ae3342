//! The workflows of GitHub: they cannot run here, so their schema judges them, and what they name is looked up.

use super::{changed, check_jsonschema, documents, path, text};
use serde_json::Value;

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

fn workflow_schema(yaml: &str) -> (bool, String) {
    check_jsonschema("vendor.github-workflows", yaml)
}

/// The steps of all jobs.
fn steps(workflow: &str) -> Vec<Value> {
    let workflow = documents(&text(workflow)).remove(0);
    let jobs = workflow["jobs"].as_object().unwrap();
    jobs.values().flat_map(|job| job["steps"].as_array().unwrap().clone()).collect()
}

#[test]
fn these_are_all_workflows() {
    let folder = std::fs::read_dir(path(".github/workflows")).unwrap();
    let mut found: Vec<String> = folder
        .map(|file| format!(".github/workflows/{}", file.unwrap().file_name().display()))
        .collect();
    found.sort();
    assert_eq!(found, WORKFLOWS);
}

#[test]
fn the_schema_of_workflows_takes_them() {
    for workflow in WORKFLOWS {
        let (is_good, said) = workflow_schema(&text(workflow));
        assert!(is_good, "{workflow}: {said}");
    }
}

#[test]
fn the_schema_of_workflows_refuses_what_is_not_in_it() {
    let yaml = changed(&text(WORKFLOWS[0]), "timeout-minutes:", "timeout-seconds:");
    let (is_good, said) = workflow_schema(&yaml);
    assert!(!is_good && said.contains("timeout-seconds"), "{said}");
}

/// A tag can be moved to other code, a hash cannot.
#[test]
fn each_action_is_pinned_by_its_hash_with_its_version_beside_it() {
    let mut count = 0;
    for workflow in WORKFLOWS {
        let yaml = text(workflow);
        let uses = yaml.lines().filter_map(|line| line.trim().strip_prefix("- uses: "));
        for action in uses {
            let (name, pinned) = action.split_once('@').unwrap_or_else(|| panic!("{action}"));
            let (hash, version) = pinned.split_once(" # v").unwrap_or_else(|| panic!("{action}"));
            let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_hash && name.contains('/'), "{workflow}: {action}");
            assert_eq!(version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
            count += 1;
        }
        let pinned = steps(workflow).iter().filter(|step| step.get("uses").is_some()).count();
        assert_eq!(std::mem::take(&mut count), pinned, "{workflow} has an action in another form");
    }
}

#[test]
fn each_target_that_a_workflow_makes_is_in_the_makefile() {
    let makefile = text("Makefile");
    let mut made = Vec::new();
    for step in WORKFLOWS.iter().flat_map(|workflow| steps(workflow)) {
        let Some(targets) = step["run"].as_str().and_then(|run| run.strip_prefix("make ")) else {
            continue;
        };
        made.extend(targets.split(' ').filter(|word| !word.contains('=')).map(str::to_owned));
    }
    for target in &made {
        let name = if target.starts_with("e2e-") { "e2e-%" } else { target };
        let is_there = makefile.lines().any(|line| line.starts_with(&format!("{name}:")));
        assert!(is_there, "{target} is not in the Makefile");
    }
    assert!(made.iter().any(|target| target == "test"), "{made:?}");
}
