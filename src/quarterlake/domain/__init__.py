"""The words and rules of quarterlake: pure, no input or output."""
