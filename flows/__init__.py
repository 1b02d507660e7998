"""What an operator can press: one flow a file."""
