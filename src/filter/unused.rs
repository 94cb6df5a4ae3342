//! The SDK's convenience methods, which nobody calls here: they panic on what a stranger may send.
//!
//! They are behind the contexts' virtual tables, so that each would be in the module, with all that
//! it calls.

macro_rules! unused {
    ($($name:ident($($argument:ty),*) $(-> $result:ty = $value:expr)?;)*) => {
        $(fn $name(&self $(, _: $argument)*) $(-> $result)? {
            $($value)?
        })*
    };
}

/// Of `Context`.
macro_rules! unused_of_context {
    () => {
        $crate::filter::unused::unused! {
            get_current_time() -> std::time::SystemTime = std::time::UNIX_EPOCH;
            get_property(Vec<&str>) -> Option<Vec<u8>> = None;
            set_property(Vec<&str>, Option<&[u8]>);
            get_shared_data(&str) -> (Option<Vec<u8>>, Option<u32>) = (None, None);
            set_shared_data(&str, Option<&[u8]>, Option<u32>) -> Result<(), Status> = Ok(());
            remove_shared_data(&str, Option<u32>) -> Result<(), Status> = Ok(());
            register_shared_queue(&str) -> u32 = 0;
            resolve_shared_queue(&str, &str) -> Option<u32> = None;
            dequeue_shared_queue(u32) -> Result<Option<Vec<u8>>, Status> = Ok(None);
            enqueue_shared_queue(u32, Option<&[u8]>) -> Result<(), Status> = Ok(());
            dispatch_http_call(
                &str, Vec<(&str, &str)>, Option<&[u8]>, Vec<(&str, &str)>, std::time::Duration
            ) -> Result<u32, Status> = Ok(0);
            get_http_call_response_headers() -> Vec<(String, String)> = Vec::new();
            get_http_call_response_headers_bytes() -> Vec<(String, Vec<u8>)> = Vec::new();
            get_http_call_response_header(&str) -> Option<String> = None;
            get_http_call_response_header_bytes(&str) -> Option<Vec<u8>> = None;
            get_http_call_response_body(usize, usize) -> Option<Vec<u8>> = None;
            get_http_call_response_trailers() -> Vec<(String, String)> = Vec::new();
            get_http_call_response_trailers_bytes() -> Vec<(String, Vec<u8>)> = Vec::new();
            get_http_call_response_trailer(&str) -> Option<String> = None;
            get_http_call_response_trailer_bytes(&str) -> Option<Vec<u8>> = None;
            dispatch_grpc_call(
                &str, &str, &str, Vec<(&str, &[u8])>, Option<&[u8]>, std::time::Duration
            ) -> Result<u32, Status> = Ok(0);
            get_grpc_call_response_body(usize, usize) -> Option<Vec<u8>> = None;
            cancel_grpc_call(u32);
            open_grpc_stream(&str, &str, &str, Vec<(&str, &[u8])>) -> Result<u32, Status> = Ok(0);
            get_grpc_stream_initial_metadata() -> Vec<(String, Vec<u8>)> = Vec::new();
            get_grpc_stream_initial_metadata_value(&str) -> Option<Vec<u8>> = None;
            send_grpc_stream_message(u32, Option<&[u8]>, bool);
            get_grpc_stream_trailing_metadata() -> Vec<(String, Vec<u8>)> = Vec::new();
            get_grpc_stream_trailing_metadata_value(&str) -> Option<Vec<u8>> = None;
            cancel_grpc_stream(u32);
            close_grpc_stream(u32);
            get_grpc_status() -> (u32, Option<String>) = (0, None);
            call_foreign_function(&str, Option<&[u8]>) -> Result<Option<Vec<u8>>, Status> = Ok(None);
            done();
        }
    };
}

/// Of `RootContext`.
macro_rules! unused_of_root_context {
    () => {
        $crate::filter::unused::unused! {
            get_vm_configuration() -> Option<Vec<u8>> = None;
            get_plugin_configuration() -> Option<Vec<u8>> = None;
            set_tick_period(std::time::Duration);
        }
    };
}

/// Of `HttpContext`.
macro_rules! unused_of_http_context {
    () => {
        $crate::filter::unused::unused! {
            get_http_request_headers() -> Vec<(String, String)> = Vec::new();
            set_http_request_headers(Vec<(&str, &str)>);
            get_http_request_headers_bytes() -> Vec<(String, Vec<u8>)> = Vec::new();
            set_http_request_headers_bytes(Vec<(&str, &[u8])>);
            get_http_request_header(&str) -> Option<String> = None;
            get_http_request_header_bytes(&str) -> Option<Vec<u8>> = None;
            set_http_request_header(&str, Option<&str>);
            set_http_request_header_bytes(&str, Option<&[u8]>);
            add_http_request_header(&str, &str);
            add_http_request_header_bytes(&str, &[u8]);
            remove_http_request_header(&str);
            get_http_request_body(usize, usize) -> Option<Vec<u8>> = None;
            set_http_request_body(usize, usize, &[u8]);
            get_http_request_trailers() -> Vec<(String, String)> = Vec::new();
            set_http_request_trailers(Vec<(&str, &str)>);
            get_http_request_trailers_bytes() -> Vec<(String, Vec<u8>)> = Vec::new();
            set_http_request_trailers_bytes(Vec<(&str, &[u8])>);
            get_http_request_trailer(&str) -> Option<String> = None;
            get_http_request_trailer_bytes(&str) -> Option<Vec<u8>> = None;
            set_http_request_trailer(&str, Option<&str>);
            set_http_request_trailer_bytes(&str, Option<&[u8]>);
            add_http_request_trailer(&str, &str);
            add_http_request_trailer_bytes(&str, &[u8]);
            remove_http_request_trailer(&str);
            resume_http_request();
            reset_http_request();
            get_http_response_headers() -> Vec<(String, String)> = Vec::new();
            set_http_response_headers(Vec<(&str, &str)>);
            get_http_response_headers_bytes() -> Vec<(String, Vec<u8>)> = Vec::new();
            set_http_response_headers_bytes(Vec<(&str, &[u8])>);
            get_http_response_header(&str) -> Option<String> = None;
            get_http_response_header_bytes(&str) -> Option<Vec<u8>> = None;
            set_http_response_header(&str, Option<&str>);
            set_http_response_header_bytes(&str, Option<&[u8]>);
            add_http_response_header(&str, &str);
            add_http_response_header_bytes(&str, &[u8]);
            remove_http_response_header(&str);
            get_http_response_body(usize, usize) -> Option<Vec<u8>> = None;
            set_http_response_body(usize, usize, &[u8]);
            get_http_response_trailers() -> Vec<(String, String)> = Vec::new();
            set_http_response_trailers(Vec<(&str, &str)>);
            get_http_response_trailers_bytes() -> Vec<(String, Vec<u8>)> = Vec::new();
            set_http_response_trailers_bytes(Vec<(&str, &[u8])>);
            get_http_response_trailer(&str) -> Option<String> = None;
            get_http_response_trailer_bytes(&str) -> Option<Vec<u8>> = None;
            set_http_response_trailer(&str, Option<&str>);
            set_http_response_trailer_bytes(&str, Option<&[u8]>);
            add_http_response_trailer(&str, &str);
            add_http_response_trailer_bytes(&str, &[u8]);
            remove_http_response_trailer(&str);
            resume_http_response();
            reset_http_response();
            send_http_response(u32, Vec<(&str, &str)>, Option<&[u8]>);
            send_grpc_response(
                proxy_wasm::types::GrpcStatusCode, Option<&str>, Vec<(&str, &[u8])>
            );
        }
    };
}

pub(super) use {unused, unused_of_context, unused_of_http_context, unused_of_root_context};
