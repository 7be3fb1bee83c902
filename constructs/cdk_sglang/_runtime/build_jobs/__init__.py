"""CodeBuild builds for CloudFormation: start a build if its result is missing, wait for it, report its failure."""
