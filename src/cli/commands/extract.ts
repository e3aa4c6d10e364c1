export function extract(): void {}
