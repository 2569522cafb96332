"""The ZeroMQ bridge: an arm across a wire, with nothing moving that should not. Protocol: docs/bridge.md."""
