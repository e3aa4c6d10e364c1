export function info(): void {}
