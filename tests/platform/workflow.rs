//! Workflow calls, which fail with a good status.

use super::*;

async fn with_workflow() -> Platform {
    Platform::start(vec![Form::orders().with_workflow()]).await
}

async fn start(platform: &Platform) -> String {
    let body = json!({"data": {}, "is_start_workflow": true});
    let record = data(platform, "create", body).await["data"].take();
    assert_eq!(record["flowState"], 0);
    record["_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_workflow_is_ended_once_and_can_be_activated_again() {
    let platform = with_workflow().await;
    for (call, state) in [("task/approve", 1), ("instance/close", 2), ("task/reject", 3)] {
        let body = json!({"instance_id": start(&platform).await, "username": "jian"});
        let path = format!("/v1/workflow/{call}");
        assert_eq!(done(&platform, &path, &body).await, json!({"status": "success"}));
        let failure =
            json!({"status": "failure", "code": 4008, "message": "操作失败,流程已经关闭"});
        assert_eq!(done(&platform, &path, &body).await, failure, "{call}");
        assert_eq!(done(&platform, "/v2/workflow/task/rollback", &body).await, failure);
        let instance = done(&platform, "/v6/workflow/instance/get", &body).await;
        assert_eq!(instance["status"], state);
        let activate = "/v1/workflow/instance/activate";
        assert_eq!(done(&platform, activate, &body).await["status"], "success");
        assert_eq!(done(&platform, activate, &body).await["status"], "failure");
        assert_eq!(platform.records(APP, ENTRY).last().unwrap()["flowState"], 0);
        for call in ["v1/workflow/task/transfer", "v2/workflow/task/add_sign"] {
            assert_eq!(done(&platform, &format!("/{call}"), &body).await["status"], "success");
        }
    }
}

#[tokio::test]
async fn what_is_no_instance_fails() {
    let platform = orders().await;
    let body = json!({"instance_id": create_for(&platform, "Ada").await});
    assert_eq!(done(&platform, "/v1/workflow/task/approve", &body).await["code"], 5056);
    let body = json!({"instance_id": "none"});
    assert_eq!(done(&platform, "/v1/workflow/task/approve", &body).await["code"], 50016);
    assert_eq!(done(&platform, "/v6/workflow/instance/get", &body).await["code"], 50016);
    assert_eq!(refused(&platform, "/v1/workflow/task/approve", &json!({})).await, 17017);
    assert_eq!(refused(&platform, "/v1/workflow/task/dance", &body).await, 1);
}

#[tokio::test]
async fn the_lists_of_a_workflow_are_answered() {
    let platform = with_workflow().await;
    let id = start(&platform).await;
    let comments = format!("/v1/app/{APP}/entry/{ENTRY}/data/{id}/approval_comments");
    for (path, member) in [
        ("/v6/workflow/task/list", "tasks"),
        ("/v1/workflow/cc/list", "cc_list"),
        ("/v1/workflow/instance/logs", "logs"),
        (comments.as_str(), "approveCommentList"),
    ] {
        let answer = done(&platform, path, &json!({"instance_id": id})).await;
        assert_eq!(answer[member], json!([]), "{path}");
    }
}

#[tokio::test]
async fn only_records_of_a_workflow_have_a_flow_state() {
    let platform = with_workflow().await;
    start(&platform).await;
    let without = create(&platform, json!({})).await;
    assert_eq!(without["flowState"], Value::Null);
    let is_running =
        json!({"field": "flowState", "type": "flowstate", "method": "eq", "value": [0]});
    let body = json!({"filter": {"rel": "and", "cond": [is_running]}});
    assert_eq!(data(&platform, "list", body).await["data"].as_array().unwrap().len(), 1);
    let widgets = done(&platform, "/v5/app/entry/widget/list", &with_ids(json!({}))).await;
    assert_eq!(widgets["sysWidgets"][0], json!({"name": "flowState"}));
    let plain = orders().await;
    assert!(create(&plain, json!({})).await.get("flowState").is_none());
}
