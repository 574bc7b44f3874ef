"""What tests share: oracles, plain implementations to compare with, servers, and what machines have."""
