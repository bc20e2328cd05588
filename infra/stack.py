"""The parts of the call archive, then how they are wired."""

import aws_cdk as cdk
from constructs import Construct

from infra.config import FETCH_BATCH, FETCH_WINDOW_SECONDS, LISTER_CONCURRENCY, WINDOWS_BATCH, Config
from infra.constructs.consumers import Consumers
from infra.constructs.functions import Dependencies, Fetcher, Lister, Shared
from infra.constructs.monitoring import Monitoring
from infra.constructs.queues import WorkQueues, grant_feeding, grant_measuring, grant_sending
from infra.constructs.schedule import Schedule
from infra.constructs.storage import LEDGER_SCHEMA, Archive, Credentials, Ledger
from infra.packaging.layer import Layer


class CallArchiveStack(cdk.Stack):
    def __init__(self, scope: Construct, *, config: Config, layer: Layer) -> None:
        super().__init__(
            scope, config.stack, description="Copies every Telesign call recording and transcript into S3"
        )
        self._config = config
        self.archive = Archive(self, "Archive")
        self.ledger = Ledger(self, "Ledger")
        self.credentials = Credentials(self, "Credentials")
        self.queues = WorkQueues(
            self, "WorkQueues", visibility_timeout=cdk.Duration.seconds(config.visibility_timeout_seconds)
        )
        self.schedule = Schedule(self, "Schedule")
        shared = Shared(
            config=config,
            dependencies=Dependencies(self, "Dependencies", layer),
            resources=self._resource_names(),
        )
        self.lister = Lister(self, "Lister", shared, on_failure=self.schedule.dlq)
        self.fetcher = Fetcher(self, "Fetcher", shared)
        self.consumers = Consumers(self, "Consumers", prefixes=config.consumers, bucket=self.archive.bucket)
        self.monitoring = Monitoring(self, "Monitoring", config=config)

        self._grant()
        self._feed()
        self._watch()
        self._output()
        for name, value in {"project": "call-archive", **config.tags}.items():
            cdk.Tags.of(self).add(name, value)

    def _resource_names(self) -> dict[str, str]:
        return {
            "TABLE_NAME": self.ledger.table.table_name,
            "BUCKET_NAME": self.archive.bucket.bucket_name,
            "FETCH_QUEUE_URL": self.queues.fetch.queue_url,
            "WINDOWS_QUEUE_URL": self.queues.windows.queue_url,
            "SECRET_ID": self.credentials.secret.secret_arn,
        }

    def _grant(self) -> None:
        lister, fetcher = self.lister.function, self.fetcher.function
        self.ledger.grant_listing(lister)
        self.ledger.grant_visiting(fetcher)
        self.archive.grant_archiving(fetcher)
        grant_sending(self.queues.windows, lister)
        grant_measuring(self.queues.fetch, lister)
        grant_feeding(self.queues.windows, lister)
        grant_feeding(self.queues.fetch, fetcher)
        for function in (lister, fetcher):
            grant_sending(self.queues.fetch, function)
            self.credentials.grant_reading(function)

    def _feed(self) -> None:
        self.schedule.start(self.lister.function, self._config)
        self.lister.feed_from(
            self.queues.windows, batch_size=WINDOWS_BATCH, max_concurrency=LISTER_CONCURRENCY
        )
        self.fetcher.feed_from(
            self.queues.fetch,
            batch_size=FETCH_BATCH,
            max_concurrency=self._config.fetcher_concurrency,
            max_batching_window=cdk.Duration.seconds(FETCH_WINDOW_SECONDS),
        )

    def _watch(self) -> None:
        watch = self.monitoring
        watch.own_metrics()
        watch.function("Lister", self.lister.function)
        watch.function("Fetcher", self.fetcher.function)
        watch.dead_letters("FetchDlq", self.queues.fetch_dlq)
        watch.dead_letters("WindowsDlq", self.queues.windows_dlq)
        watch.dead_letters("ScheduleDlq", self.schedule.dlq)
        for name, consumer in self.consumers.by_name.items():
            watch.dead_letters(f"Consumer-{name}-Dlq", consumer.dlq)
            watch.waiting(f"Consumer-{name}", consumer.queue)
        watch.show({"fetch": self.queues.fetch, "windows": self.queues.windows})

    def _output(self) -> None:
        outputs = {
            "Bucket": self.archive.bucket.bucket_name,
            "Table": self.ledger.table.table_name,
            "FetchQueueUrl": self.queues.fetch.queue_url,
            "FetchDlqUrl": self.queues.fetch_dlq.queue_url,
            "WindowsQueueUrl": self.queues.windows.queue_url,
            "WindowsDlqUrl": self.queues.windows_dlq.queue_url,
            "ScheduleDlqUrl": self.schedule.dlq.queue_url,
            "SecretId": self.credentials.secret.secret_arn,
            "ListerFunction": self.lister.function.function_name,
            "FetcherFunction": self.fetcher.function.function_name,
            "Consumers": self.to_json_string(self.consumers.queue_urls()),
            "LeaseSeconds": str(self._config.lease_seconds),
            "Schema": str(LEDGER_SCHEMA),
            "Dashboard": self.monitoring.dashboard.dashboard_name,
        }
        scope = Construct(self, "Outputs")
        for name, value in outputs.items():
            cdk.CfnOutput(scope, name, value=value).override_logical_id(name)
