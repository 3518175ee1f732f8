//! An import that is killed while it writes.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn killed_at_any_moment_the_client_has_its_old_file_or_its_new_one() {
    let mut cut_off = 0;
    for round in 0..24u64 {
        let desk = Desk::new();
        desk.write(
            "shop/.mcp.json",
            "{\"mcpServers\": {\"crm\": {CRM, \"env\": {\"A\": \"1\", \"B\": \"2\", \"C\": \"3\"}}}}",
        );
        let before = desk.everything();
        let original = desk.read("shop/.mcp.json");
        let mut command = desk.command("shop", AMBIT);
        command.args(["init", "--owner", "dana@acme.example", "--dir", "../gate"]).stdout(Stdio::null());
        let mut import = command.spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while !desk.path("gate/private/init.json").exists() && Instant::now() < patience {
            std::hint::spin_loop();
        }
        // The last one is let through, however slow the disk is.
        if round < 23 {
            std::thread::sleep(Duration::from_micros(round * round * 60));
            import.kill().unwrap();
        }
        import.wait().unwrap();

        let now = desk.read("shop/.mcp.json");
        if now == original {
            cut_off += 1;
        } else {
            // The client's file comes last, so everything that it leads to is there.
            assert_eq!(names(&now, &["mcpServers"]), ["ambit"], "{now}");
            for file in ["gate/ambit.toml", "gate/ambit.lock", "gate/SCOPE.md", "gate/private/crm.C"] {
                assert!(desk.path(file).exists(), "{file}");
            }
            assert_eq!(desk.read("shop/.mcp.json.before-ambit"), original);
        }
        let (code, said) = desk.init(&["--from", ".mcp.json"]);
        assert_eq!(code, 1, "{said}");
        desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
        assert_eq!(desk.everything(), before, "round {round}");
    }
    // Early rounds are cut off, or this shows nothing.
    assert!((1..24).contains(&cut_off), "{cut_off} of 24 rounds were cut off");
}
