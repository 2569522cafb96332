"""The ZeroMQ bridge: clients command an arm over a network. Protocol: docs/bridge.md."""
