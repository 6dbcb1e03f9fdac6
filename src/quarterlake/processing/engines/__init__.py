"""What runs the SQL of processing."""
