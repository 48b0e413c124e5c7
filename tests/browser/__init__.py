"""The live view in a real JupyterLab: real kernel, real CLI, simulated model, real Chromium."""
