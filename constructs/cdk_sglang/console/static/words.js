// The texts of the page: it shows the embedded AWS of `make local`, or an environment that is deployed in AWS.

const EMBEDDED = {
  title: "embedded AWS",
  silent: "the embedded AWS does not answer; `make local` starts it",
  key: ["Open the address that ", "make local", " prints, or paste it here. A restarted embedded AWS has a new key."],
  reads: "This key reads the console. The address that the embedded AWS prints for actions has buttons too.",
  noEndpoint: "There is no endpoint. `make local` deploys one.",
  noInstance: "No instance: nothing is paid for, and the next request waits for one.",
  noDecision: "No policy has changed anything yet. Put load on a component that scales, and wait half a minute.",
  noPlan: "No deployed dashboard has a band of the plan: the model is not in the planner's catalogue, or dashboards are off.",
  planHead: ["Figure", "Plan, for the GPU", "Measured here, on this machine's CPU"],
  untold: [],
  dollars: "USD an hour if this were AWS",
  ofEndpoint: "USD/h on AWS",
};

const AWS = {
  title: "cdk-sglang console",
  silent: "the console does not answer; start it again with `cdk-sglang console`",
  key: ["Open the address that ", "cdk-sglang console", " prints, or paste it here. A restarted console has a new key."],
  reads: "This page reads the account and changes nothing, so it has neither buttons nor a chat; `cdk-sglang chat` talks to a model.",
  noEndpoint: "The environment has no endpoint.",
  noInstance: "No instance runs: nothing is paid for.",
  noDecision: "Application Auto Scaling has made no decision about these components in the last six weeks.",
  noPlan: "No component has a plan: the planner's catalogue does not know their models.",
  planHead: ["Figure", "Plan", "Measured by CloudWatch, last 5 minutes"],
  untold: [
    "The state and the id of each instance: SageMaker reports types and how many run; CloudWatch has the ids and the use of each GPU, with OTel enrichment.",
    "Which copy is on which GPU, unless CloudWatch's metrics of GPUs name the component: GPUs are coloured by the number that running copies reserve, in the order of the components; with instances of several types, as far as SageMaker reports copies by type.",
    "The state of a single copy, and the requests it has in flight at this moment: CloudWatch has the maximum of each minute.",
    "Anything newer than its metrics, which are a minute or more behind.",
  ],
  dollars: "USD an hour now",
  ofEndpoint: "USD/h",
};

export const inAws = document.body.dataset.console === "aws";
export const words = inAws ? AWS : EMBEDDED;
