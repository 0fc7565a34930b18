import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "src/schema.d.ts"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/explicit-module-boundary-types": "error",
      eqeqeq: "error",
      "no-console": "error",
      "no-restricted-globals": [
        "error",
        { name: "setInterval", message: "Wait for events, with a deadline." },
        {
          name: "fetch",
          message: "It gives up after five minutes without an answer; see src/http/transport.ts.",
        },
      ],
    },
  },
);
