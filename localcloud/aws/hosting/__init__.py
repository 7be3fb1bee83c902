"""SageMaker hosting: endpoints, inference components, their instances and copies, and the API in front of them."""
