"""What knows dvc.yaml: a stage's parameters, inputs and ends; nothing here changes a result."""
