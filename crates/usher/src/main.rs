//! The `usher` command.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Most of a huge page would lie idle with us (decision 0107). Without it all goes on as well.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    usher::cli::main()
}
