"""What the tabs of the viewer hold. A panel adds its controls where it is made, and listens to the session."""
