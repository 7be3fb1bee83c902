"""AWS CDK constructs for serving open-weight models with SGLang on Amazon SageMaker.

Public names are imported on first use: `cdk_sglang.client` and the facts need neither aws_cdk nor the Node.js process that it starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.agents.artifact import AgentCode, AgentImage
    from cdk_sglang.agents.gateway import ToolGateway, ToolPolicies, ToolTarget
    from cdk_sglang.agents.memory import AgentMemory
    from cdk_sglang.agents.mlflow import AgentMlflow
    from cdk_sglang.agents.runtime import AgentModel, AgentRuntime
    from cdk_sglang.agents.schemas import Tool
    from cdk_sglang.agents.tools import ClinicalTools
    from cdk_sglang.benchmarking.calibration import read_measurements
    from cdk_sglang.benchmarking.history.resources import BenchmarkHistory
    from cdk_sglang.benchmarking.jobs.resources import BenchmarkJobs
    from cdk_sglang.engine import LoraOptions, SglangOptions
    from cdk_sglang.errors import ConfigurationError
    from cdk_sglang.hardware import Gpu, GpuInstance
    from cdk_sglang.metrics.agentcore import AgentMetrics
    from cdk_sglang.metrics.promql import Place
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.observability.alarms.endpoint_alarms import EndpointAlarms
    from cdk_sglang.observability.dashboards.agent_dashboard import AgentDashboard
    from cdk_sglang.observability.dashboards.chart import ChartAxis, ChartBand, ChartQuery, ChartThreshold
    from cdk_sglang.observability.dashboards.chart_widget import ChartWidget
    from cdk_sglang.observability.dashboards.fleet_dashboards import FleetDashboards
    from cdk_sglang.observability.enrichment import OtelEnrichment
    from cdk_sglang.observability.logs.endpoint_logs import EndpointLogs
    from cdk_sglang.observability.observed import ObservedEndpoint
    from cdk_sglang.observability.traces.transaction_search import TransactionSearch
    from cdk_sglang.optimization.speculative import EagleOptimization, SpeculativeOptimization
    from cdk_sglang.optimization.target import OptimizedComponent
    from cdk_sglang.planning.component.resolve import ResolvedComponent
    from cdk_sglang.planning.component.variants import ModelVariant
    from cdk_sglang.planning.measured_calibration import MeasuredCalibration
    from cdk_sglang.serving.adapters.adapter import Adapter
    from cdk_sglang.serving.adapters.source import AdapterSource
    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.serving.alarms.component_metrics import ComponentMetrics
    from cdk_sglang.serving.alarms.endpoint_metrics import EndpointMetrics
    from cdk_sglang.serving.alarms.engine_metrics import CounterOptions, EngineMetrics, GaugeOptions, HistogramOptions
    from cdk_sglang.serving.alarms.gpu_metrics import GpuMetrics
    from cdk_sglang.serving.alarms.metric_methods import MetricOptions, SearchOptions
    from cdk_sglang.serving.alarms.metrics import ServingMetrics
    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint
    from cdk_sglang.serving.endpoint.imported import ImportedComponent, ImportedEndpoint
    from cdk_sglang.serving.endpoint.inference_route import InferenceRoute, RouteDestination
    from cdk_sglang.serving.endpoint.invocable import InvocableComponent, InvocableEndpoint
    from cdk_sglang.serving.endpoint.network import EndpointNetwork
    from cdk_sglang.serving.image.image import ServingImage
    from cdk_sglang.serving.shared.helper_functions import HelperFunctions
    from cdk_sglang.serving.shared.log_options import LogOptions
    from cdk_sglang.serving.weights.model_source import ModelSource
    from cdk_sglang.spec.agent import AgentSession, Authorizer, IamAuthorizer, JwtAuthorizer
    from cdk_sglang.spec.alarm_rules import AlarmRules, BurnRate
    from cdk_sglang.spec.alarms import NoAlarms
    from cdk_sglang.spec.capacity import Capacity
    from cdk_sglang.spec.container_base import ContainerBase
    from cdk_sglang.spec.endpoint_rollout import EndpointRollout
    from cdk_sglang.spec.fit_check import NoFitCheck
    from cdk_sglang.spec.idle_alarm import IdleAlarm
    from cdk_sglang.spec.image_facts import ImageFacts, SglangDlc
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.placement import Placement
    from cdk_sglang.spec.reservation import OnDemandMove
    from cdk_sglang.spec.resources import HostResources
    from cdk_sglang.spec.rollback_alarms import RollbackAlarms
    from cdk_sglang.spec.rollout import BatchSize, ComponentRollout
    from cdk_sglang.spec.routing import Routing
    from cdk_sglang.spec.scale_in import ScaleIn
    from cdk_sglang.spec.scaling import ComponentScaling, Concurrency, InvocationsPerMinute, MetricMath, MetricStat
    from cdk_sglang.spec.schedules import NightlyStop, Window
    from cdk_sglang.spec.slo import Slo
    from cdk_sglang.spec.speculative import DraftModel, EagleTraining, Gate, NextN, Ngram, Retrain, Speculative
    from cdk_sglang.spec.startup import StartupTimeouts
    from cdk_sglang.spec.verification import NoTruthCheck, NoVerification, SmokeRequest, TruthCheck, Verification
    from cdk_sglang.spec.workload import Dataset, Goodput, SharedPrefix, Turns, Workload
    from cdk_sglang.weights import AdapterConfig

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AdapterSource",
    "AgentCode",
    "AgentDashboard",
    "AgentImage",
    "AgentMemory",
    "AgentMetrics",
    "AgentMlflow",
    "AgentModel",
    "AgentRuntime",
    "AgentSession",
    "AlarmRules",
    "Alarms",
    "Authorizer",
    "BatchSize",
    "BenchmarkHistory",
    "BenchmarkJobs",
    "BurnRate",
    "Capacity",
    "ChartAxis",
    "ChartBand",
    "ChartQuery",
    "ChartThreshold",
    "ChartWidget",
    "ClinicalTools",
    "ComponentMetrics",
    "ComponentRollout",
    "ComponentScaling",
    "Concurrency",
    "ConfigurationError",
    "ContainerBase",
    "CounterOptions",
    "Dataset",
    "DraftModel",
    "EagleOptimization",
    "EagleTraining",
    "EndpointAlarms",
    "EndpointLogs",
    "EndpointMetrics",
    "EndpointNetwork",
    "EndpointRollout",
    "EngineMetrics",
    "FleetDashboards",
    "Gate",
    "GaugeOptions",
    "Goodput",
    "Gpu",
    "GpuInstance",
    "GpuMetrics",
    "HelperFunctions",
    "HistogramOptions",
    "HostResources",
    "IamAuthorizer",
    "IdleAlarm",
    "ImageFacts",
    "ImportedComponent",
    "ImportedEndpoint",
    "InferenceComponent",
    "InferenceEndpoint",
    "InferenceRoute",
    "InvocableComponent",
    "InvocableEndpoint",
    "InvocationsPerMinute",
    "JwtAuthorizer",
    "Load",
    "LogOptions",
    "LoraOptions",
    "MeasuredCalibration",
    "MetricMath",
    "MetricOptions",
    "MetricStat",
    "ModelFacts",
    "ModelSource",
    "ModelVariant",
    "NextN",
    "Ngram",
    "NightlyStop",
    "NoAlarms",
    "NoFitCheck",
    "NoTruthCheck",
    "NoVerification",
    "ObservedEndpoint",
    "OnDemandMove",
    "OptimizedComponent",
    "OtelEnrichment",
    "Place",
    "Placement",
    "ResolvedComponent",
    "Retrain",
    "RollbackAlarms",
    "RouteDestination",
    "Routing",
    "ScaleIn",
    "SearchOptions",
    "ServingImage",
    "ServingMetrics",
    "SglangDlc",
    "SglangOptions",
    "SharedPrefix",
    "Slo",
    "SmokeRequest",
    "Speculative",
    "SpeculativeOptimization",
    "StartupTimeouts",
    "Tool",
    "ToolGateway",
    "ToolPolicies",
    "ToolTarget",
    "TransactionSearch",
    "TruthCheck",
    "Turns",
    "Verification",
    "Window",
    "Workload",
    "read_measurements",
]

_HOMES = {
    "agents.artifact": ("AgentCode", "AgentImage"),
    "agents.gateway": ("ToolGateway", "ToolPolicies", "ToolTarget"),
    "agents.memory": ("AgentMemory",),
    "agents.mlflow": ("AgentMlflow",),
    "agents.runtime": ("AgentModel", "AgentRuntime"),
    "agents.schemas": ("Tool",),
    "agents.tools": ("ClinicalTools",),
    "benchmarking.calibration": ("read_measurements",),
    "benchmarking.history.resources": ("BenchmarkHistory",),
    "benchmarking.jobs.resources": ("BenchmarkJobs",),
    "engine": ("LoraOptions", "SglangOptions"),
    "errors": ("ConfigurationError",),
    "hardware": ("Gpu", "GpuInstance"),
    "metrics.agentcore": ("AgentMetrics",),
    "metrics.promql": ("Place",),
    "models.facts": ("ModelFacts",),
    "observability.alarms.endpoint_alarms": ("EndpointAlarms",),
    "observability.dashboards.agent_dashboard": ("AgentDashboard",),
    "observability.dashboards.chart": ("ChartAxis", "ChartBand", "ChartQuery", "ChartThreshold"),
    "observability.dashboards.chart_widget": ("ChartWidget",),
    "observability.dashboards.fleet_dashboards": ("FleetDashboards",),
    "observability.enrichment": ("OtelEnrichment",),
    "observability.logs.endpoint_logs": ("EndpointLogs",),
    "observability.observed": ("ObservedEndpoint",),
    "observability.traces.transaction_search": ("TransactionSearch",),
    "optimization.speculative": ("EagleOptimization", "SpeculativeOptimization"),
    "optimization.target": ("OptimizedComponent",),
    "planning.component.resolve": ("ResolvedComponent",),
    "planning.component.variants": ("ModelVariant",),
    "planning.measured_calibration": ("MeasuredCalibration",),
    "serving.adapters.adapter": ("Adapter",),
    "serving.adapters.source": ("AdapterSource",),
    "serving.alarms.choice": ("Alarms",),
    "serving.alarms.component_metrics": ("ComponentMetrics",),
    "serving.alarms.endpoint_metrics": ("EndpointMetrics",),
    "serving.alarms.engine_metrics": ("CounterOptions", "EngineMetrics", "GaugeOptions", "HistogramOptions"),
    "serving.alarms.gpu_metrics": ("GpuMetrics",),
    "serving.alarms.metric_methods": ("MetricOptions", "SearchOptions"),
    "serving.alarms.metrics": ("ServingMetrics",),
    "serving.component.component": ("InferenceComponent",),
    "serving.endpoint.endpoint": ("InferenceEndpoint",),
    "serving.endpoint.imported": ("ImportedComponent", "ImportedEndpoint"),
    "serving.endpoint.inference_route": ("InferenceRoute", "RouteDestination"),
    "serving.endpoint.invocable": ("InvocableComponent", "InvocableEndpoint"),
    "serving.endpoint.network": ("EndpointNetwork",),
    "serving.image.image": ("ServingImage",),
    "serving.shared.helper_functions": ("HelperFunctions",),
    "serving.shared.log_options": ("LogOptions",),
    "serving.weights.model_source": ("ModelSource",),
    "spec.agent": ("AgentSession", "Authorizer", "IamAuthorizer", "JwtAuthorizer"),
    "spec.alarm_rules": ("AlarmRules", "BurnRate"),
    "spec.alarms": ("NoAlarms",),
    "spec.capacity": ("Capacity",),
    "spec.container_base": ("ContainerBase",),
    "spec.endpoint_rollout": ("EndpointRollout",),
    "spec.fit_check": ("NoFitCheck",),
    "spec.idle_alarm": ("IdleAlarm",),
    "spec.image_facts": ("ImageFacts", "SglangDlc"),
    "spec.load": ("Load",),
    "spec.placement": ("Placement",),
    "spec.reservation": ("OnDemandMove",),
    "spec.resources": ("HostResources",),
    "spec.rollback_alarms": ("RollbackAlarms",),
    "spec.rollout": ("BatchSize", "ComponentRollout"),
    "spec.routing": ("Routing",),
    "spec.scale_in": ("ScaleIn",),
    "spec.scaling": ("ComponentScaling", "Concurrency", "InvocationsPerMinute", "MetricMath", "MetricStat"),
    "spec.schedules": ("NightlyStop", "Window"),
    "spec.slo": ("Slo",),
    "spec.speculative": ("DraftModel", "EagleTraining", "Gate", "NextN", "Ngram", "Retrain", "Speculative"),
    "spec.startup": ("StartupTimeouts",),
    "spec.verification": ("NoTruthCheck", "NoVerification", "SmokeRequest", "TruthCheck", "Verification"),
    "spec.workload": ("Dataset", "Goodput", "SharedPrefix", "Turns", "Workload"),
    "weights": ("AdapterConfig",),
}
"""Module of each name above; a test checks that the three lists agree."""
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
