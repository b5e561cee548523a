// A file of its own: the page's policy allows no script within it.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // No stranger is told of our document.
  validatorUrl: null,
});
