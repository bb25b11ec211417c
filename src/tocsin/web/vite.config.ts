import { defineConfig } from "vite";

// why no preload helper: it would be one more script, and the browsers meant here know modules.
export default defineConfig({
  build: {
    outDir: "static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Nothing is put into the page as a data: address, which its policy would refuse.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  // `npm run dev`: the page with hot reload, over a service that runs on this machine.
  server: { proxy: { "/api": "http://127.0.0.1:8765" } },
});
