"""What clients of the backend speak to: it guards, chooses engines, retries before the first byte, and drains."""
