//! Tests that need user namespaces, strace or several users.

mod cache_limits;
mod concurrency;
mod golden;
mod layout_blobs;
mod layout_dir;
mod layout_stream;
mod other_users;
mod output_paths;
mod plain_layers;
mod resource_limits;
mod stdout_pipe;
mod store_content;
mod tmpdir;
