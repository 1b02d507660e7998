"""The wire to the provider: client, transport, signing, messages, codes and errors."""
