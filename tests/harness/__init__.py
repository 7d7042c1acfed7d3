"""What every Python suite stands on: servers, a raw HTTP client, OCI helpers."""
