export function extents(): void {}
