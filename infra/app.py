"""The CDK app that cdk.json names."""

import sys

import aws_cdk as cdk
import click

from infra.config import Config, ConfigError
from infra.packaging.layer import PackagingError, build_layer
from infra.stack import CallArchiveStack


def main() -> int:
    app = cdk.App()
    try:
        config = Config.from_context(app.node.get_all_context())
        layer = build_layer()
    except (ConfigError, PackagingError) as error:
        click.echo(error, err=True)
        return 2
    CallArchiveStack(app, config=config, layer=layer)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
