"""`python -m comfyfix` is `comfyfix`."""

from comfyfix.tasks.declare.program import main

if __name__ == "__main__":
    main()
