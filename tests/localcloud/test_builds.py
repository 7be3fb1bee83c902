"""The build step of CodeBuild in the embedded AWS."""

from __future__ import annotations

import boto3
from moto import mock_aws

from localcloud.aws.compute import builds

ACCOUNT, REGION = "123456789012", "us-east-1"


@mock_aws
def test_every_base_image_has_a_digest_of_its_own_which_is_the_same_each_time() -> None:
    boto3.client("s3", region_name=REGION).create_bucket(Bucket="sources")
    boto3.client("s3", region_name=REGION).put_object(Bucket="sources", Key="source.zip", Body=b"source")
    ecr = boto3.client("ecr", region_name=REGION)

    def digest(repository: str, base: int) -> str:
        names = {"IMAGE_TAG": f"v{base}", "REPOSITORY": repository, "BASE_IMAGE": f"base:{base}"}
        builds.push_image(builds.Build(account=ACCOUNT, region=REGION, variables=names, source="sources/source.zip"))
        (found,) = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": f"v{base}"}])["imageDetails"]
        return str(found["imageDigest"])

    ecr.create_repository(repositoryName="first")
    ecr.create_repository(repositoryName="second")
    digests = [digest("first", base) for base in range(102)]
    assert len(set(digests)) == 102
    assert [digest("second", base) for base in range(3)] == digests[:3]
