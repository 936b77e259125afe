"""ICAdapt: fine-tuning a video model on renders of the context."""
