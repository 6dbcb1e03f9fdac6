"""What every HTTP server of ours shares: who may call it, how it listens, stops and logs."""
