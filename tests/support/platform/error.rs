//! The platform's errors, by its own numbers and in its own words.

use serde_json::json;

/// An error of the open API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiError {
    code: u32,
    message: &'static str,
}

/// Also the answer to a path or a method that the API does not have; the documents promise status
/// 400 for every error.
pub const INVALID_REQUEST: ApiError = error(1, "The request is invalid");
pub const NO_MEMBER: ApiError = error(1010, "Member does not exist");
pub const NO_APP: ApiError = error(2004, "App does not exist");
pub const NO_FORM: ApiError = error(3000, "Form does not exist");
/// The one of the app and form group; data calls answer [`PARAMETERS`].
pub const FORM_PARAMETERS: ApiError = error(3005, "Invalid parameter(s)");
pub const NO_DATA: ApiError = error(4001, "Data does not exist");
pub const FILTER: ApiError = error(4815, "Invalid filter condition");
pub const NO_DEPARTMENT: ApiError = error(6002, "Department doesn't exist");
pub const AUTHORIZATION: ApiError = error(8301, "Failed to verify the API key for authorization.");
pub const COMPANY_RATE: ApiError = error(8303, "超出请求频率限制");
pub const PARAMETERS: ApiError = error(17017, "Invalid parameter(s)");
pub const BATCH_UPDATE_LIMIT: ApiError = error(17023, "Batch update limit exceeded");
pub const BATCH_CREATE_LIMIT: ApiError = error(17024, "Batch creation limit exceeded");
pub const TRANSACTION: ApiError = error(17025, "Invalid transaction_id parameter(s)");
pub const DUPLICATE_TRANSACTION: ApiError = error(17026, "The transaction_id already exists");
pub const FIELD_TYPE: ApiError = error(17032, "Field type isn't supported");
/// The documents only say "batch limits" of it; the other two are taken by create and update.
pub const BATCH_DELETE_LIMIT: ApiError = error(17033, "Batch deletion limit exceeded");
pub const SUB_FIELD_TYPE: ApiError = error(17034, "Sub-field type isn't supported");

const fn error(code: u32, message: &'static str) -> ApiError {
    ApiError { code, message }
}

impl ApiError {
    /// The body of its answer, which has status 400.
    pub fn body(self) -> String {
        json!({"code": self.code, "msg": self.message}).to_string()
    }
}
